import Logging
import LongtakeCore
import LongtakeHTTP

/// All settings with their defaults. `config/longtake.yaml` documents them, and a test compares the
/// two.
struct Settings: Hashable, Sendable {
    var http = HTTP()
    var storage = Storage()
    var stream = Stream()
    var queues: [String: Queue] = [
        "cpu": Queue(workers: 4), "ffmpeg": Queue(workers: 2), "gpu": Queue(workers: 2), "io": Queue(workers: 8),
    ]
    /// The file of the pipelines. A relative path starts at the directory of the settings file.
    var pipelines = "pipelines.yaml"
    var reports = Reports()
    var commands = Commands()
    var simulation = SimulationSettings()
    var auth = Auth()
    var limits = SettableLimits()
    var shutdown = Shutdown()
    var log = Log()

    struct HTTP: Hashable, Sendable {
        /// The host names and addresses on which the daemon listens. Never empty.
        var hosts = ["127.0.0.1"]
        /// The port on each of ``hosts``. 0 chooses a port that is free on all of them.
        var port = 8080
        /// The path of the Unix socket. Empty for none.
        var unixSocket = ""
        /// The permissions of the Unix socket, in octal.
        var unixSocketMode = "0660"
        /// The group of the Unix socket. If it is empty, the system chooses: the group of the
        /// daemon's user, or of the directory if its setgid bit is set.
        var unixSocketGroup = ""

        /// Parses permissions in octal, with or without the prefix `0o`. Returns `nil` for any
        /// other text.
        static func permissions(_ text: String) -> UInt32? {
            let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
            guard digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }), let mode = UInt32(digits, radix: 8) else {
                return nil
            }
            return mode <= 0o777 ? mode : nil
        }

        /// See ``AllowedHosts``. `*` is allowed with ``AccessMode/keys`` only.
        var allowedHosts: [String] = []
        /// The URL at which clients reach the daemon. If it is empty, links are relative.
        var publicURL = ""
        /// Addresses and networks of trusted proxies. `unix` stands for clients on the Unix socket.
        var trustedProxies: [String] = []
        /// Origins whose web pages may use the daemon. `*` stands for all.
        var corsOrigins: [String] = []
    }

    struct Storage: Hashable, Sendable {
        var path = ".longtake"
        /// The directory of the backups. Empty for `backups` in ``path``.
        var backupPath = ""
        /// How long a finished job is kept. 0 means forever.
        var retentionHours = 168
        /// The maximum size of the database, in units of 10⁹ bytes. 0 means no limit.
        var maxGigabytes = 20.0
        /// The maximum size of all files and artifacts, in units of 10⁹ bytes. 0 means no limit but
        /// ``minFreeGigabytes``.
        var filesMaxGigabytes = 0.0
        /// The free space, in units of 10⁹ bytes, below which the daemon accepts no uploads and
        /// claims no stages that write files.
        var minFreeGigabytes = 1.0
        /// How long intermediate artifacts are kept after the end of their job.
        var intermediateHours = 24
    }

    /// The stages that are commands.
    struct Commands: Hashable, Sendable {
        var sandbox = Sandbox.required

        /// What the daemon does if the kernel cannot confine commands (Landlock).
        enum Sandbox: String, Hashable, Sendable, CaseIterable {
            /// It does not start if a pipeline has commands.
            case required
            /// It runs them without confinement, and `/readyz` warns.
            case optional
            /// It never confines them.
            case off
        }
    }

    struct Stream: Hashable, Sendable {
        var heartbeatSeconds = 10
        var maxStreams = 20_000
        /// The limit for one API key together with its tickets.
        var maxStreamsPerKey = 1_000
        /// 0 means no limit.
        var maxAgeSeconds = 0
    }

    /// The number of workers of each queue.
    var workers: [QueueName: Int] {
        Dictionary(uniqueKeysWithValues: queues.map { (QueueName(unchecked: $0.key), $0.value.workers) })
    }

    struct Queue: Hashable, Sendable {
        var workers: Int
    }

    struct Reports: Hashable, Sendable {
        var intervalMilliseconds = 250
    }

    struct SimulationSettings: Hashable, Sendable {
        var speed = 1.0
    }

    struct Auth: Hashable, Sendable {
        var mode = AccessMode.none
        /// Allows a daemon without API keys to listen on addresses beyond loopback.
        var allowAnonymous = false
        /// The key file. Empty for `keys.json` in ``Storage/path``.
        var keysFile = ""
    }

    struct SettableLimits: Hashable, Sendable {
        var queuedJobsPerTenant = Limits.queuedJobsPerTenantDefault
        /// 0 means no limit.
        var requestsPerSecondPerKey = 0
        /// The maximum size of an uploaded file, in units of 10⁶ bytes.
        var fileMegabytes = 1_024
        /// The maximum size of all uploaded files of a tenant, in units of 10⁹ bytes.
        var fileGigabytesPerTenant = 50.0
        /// The maximum size of all artifacts of a job, in units of 10⁹ bytes.
        var artifactGigabytesPerJob = 20.0
        /// The maximum size of the working directory of a command, in units of 10⁹ bytes.
        var stageDiskGigabytes = 20.0
    }

    /// The path of the key file.
    var keysPath: String { auth.keysFile.isEmpty ? storage.path + "/keys.json" : auth.keysFile }

    struct Shutdown: Hashable, Sendable {
        var graceSeconds = 10
    }

    /// Settings of the logger.
    struct Log: Hashable, Sendable {
        var level = Logger.Level.info
        var format = Format.auto
        var access = AccessLogMode.off

        enum Format: String, Hashable, Sendable, CaseIterable, Codable {
            /// Text if standard error is a terminal, otherwise JSON.
            case auto
            case json, text
        }
    }
}

extension Settings {
    /// Rejects combinations that would give access to more clients than the operator intends.
    /// - Parameter source: returns where a key was set.
    func checkAccess(_ source: (String) -> SettingSource) throws(SettingsError) {
        guard auth.mode == .none else { return }
        let open = http.hosts.first { !ListenAddress.tcp(host: $0, port: http.port).isLoopback }
        if let open, !auth.allowAnonymous {
            throw source("http.host").error(
                "http.host",
                "\(open) can be reached from other machines, but the daemon requires no API key. Set auth.mode to keys and create keys with longtake keys create, or use --allow-anonymous if every client may do everything."
            )
        }
        guard !http.allowedHosts.contains("*") else {
            throw source("http.allowed_hosts").error(
                "http.allowed_hosts",
                "* would let every web page control a daemon that requires no API key, because a page can point its own host name to this machine. List the host names, or set auth.mode to keys."
            )
        }
        // Any page can give itself the origin “null” with a sandboxed frame.
        guard !http.corsOrigins.contains(where: { $0 == "*" || $0.lowercased() == "null" }) else {
            throw source("http.cors_origins").error(
                "http.cors_origins",
                "* and null would let every web page control a daemon that requires no API key. List the origins, or set auth.mode to keys."
            )
        }
    }
}

/// An error in the settings: where it is, which key it concerns, and what to do. It is printed as
/// one line.
struct SettingsError: Error, CustomStringConvertible, Hashable {
    /// The path of a file, `environment` or `command line`.
    let location: String
    let key: String
    let reason: String

    /// `EX_CONFIG` of sysexits.h.
    static let exitStatus: Int32 = 78

    var description: String { key.isEmpty ? "\(location): \(reason)" : "\(location): \(key): \(reason)" }
}
