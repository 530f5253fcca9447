import Logging
import LongtakeCore
import LongtakeHTTP

/// All settings, with their defaults. `config/longtake.yaml` documents each; a test holds the two together.
struct Settings: Hashable, Sendable {
    var http = HTTP()
    var storage = Storage()
    var stream = Stream()
    var queues: [String: Queue] = ["cpu": Queue(workers: 4), "gpu": Queue(workers: 2), "io": Queue(workers: 8)]
    /// The file of the pipelines, beside the settings' file.
    var pipelines = "pipelines.yaml"
    var reports = Reports()
    var simulation = SimulationSettings()
    var auth = Auth()
    var limits = SettableLimits()
    var shutdown = Shutdown()
    var log = Log()

    struct HTTP: Hashable, Sendable {
        /// Host names and addresses, each of which the daemon listens on; never empty.
        var hosts = ["127.0.0.1"]
        /// Of each of ``hosts``; 0 for one that is free on all of them.
        var port = 8080
        /// Empty for none.
        var unixSocket = ""
        /// In octal.
        var unixSocketMode = "0660"
        /// Empty for that of the daemon's user, or of the directory if that passes its group on.
        var unixSocketGroup = ""
        /// The permissions that a text gives in octal, with or without `0o` before it; `nil` for any other text.
        static func permissions(_ text: String) -> UInt32? {
            let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
            guard digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }), let mode = UInt32(digits, radix: 8) else {
                return nil
            }
            return mode <= 0o777 ? mode : nil
        }

        /// See ``AllowedHosts``; `*` with keys only.
        var allowedHosts: [String] = []
        /// The address at which clients reach the daemon; empty if links are to stay relative.
        var publicURL = ""
        /// Addresses and networks of proxies, and `unix` for peers on a Unix domain socket.
        var trustedProxies: [String] = []
        /// Origins whose pages may use the daemon; `*` for all.
        var corsOrigins: [String] = []
    }

    struct Storage: Hashable, Sendable {
        var path = ".longtake"
        /// Empty for `backups` in ``path``.
        var backupPath = ""
        /// From the finish of a job on; 0 for ever.
        var retentionHours = 168
        /// Of 10⁹ bytes; 0 for no bound.
        var maxGigabytes = 20.0
    }

    struct Stream: Hashable, Sendable {
        var heartbeatSeconds = 10
        var maxStreams = 20_000
        /// Of one API key and its tickets.
        var maxStreamsPerKey = 1_000
        /// 0 for no limit.
        var maxAgeSeconds = 0
    }

    /// Of each queue.
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
        /// Lets a daemon without keys listen beyond loopback.
        var allowAnonymous = false
        /// Empty for `keys.json` in ``Storage/path``.
        var keysFile = ""
    }

    struct SettableLimits: Hashable, Sendable {
        var queuedJobsPerTenant = Limits.queuedJobsPerTenantDefault
        /// 0 for no limit.
        var requestsPerSecondPerKey = 0
    }

    /// The file of the keys.
    var keysPath: String { auth.keysFile.isEmpty ? storage.path + "/keys.json" : auth.keysFile }

    struct Shutdown: Hashable, Sendable {
        var graceSeconds = 10
    }

    struct Log: Hashable, Sendable {
        var level = Logger.Level.info
        var format = Format.auto
        var access = AccessLogMode.off

        enum Format: String, Hashable, Sendable, CaseIterable, Codable {
            /// Text on a terminal, JSON otherwise.
            case auto
            case json, text
        }
    }
}

/// What is wrong with the settings: where, which key, and why. It goes to the operator as one line.
struct SettingsMistake: Error, CustomStringConvertible, Hashable {
    /// A file's path, `environment` or `command line`.
    let source: String
    let key: String
    let reason: String

    /// `EX_CONFIG` of sysexits.h.
    static let exitStatus: Int32 = 78

    var description: String { key.isEmpty ? "\(source): \(reason)" : "\(source): \(key): \(reason)" }
}
