import Foundation
import LongtakePostgresSpike
import Synchronization

/// A PostgreSQL of its own in a temporary directory, as an unprivileged user, on a Unix socket, with `fsync = on`. It
/// ends with the process that started it, also if that is killed.
final class Cluster: Sendable {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let directory: String
    private let server = Mutex<Process?>(nil)
    private let databases = Mutex(0)

    /// For all tests that do not stop it.
    static let shared = Result { try Cluster() }

    private static let programs = [
        "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin",
    ]
    .first { FileManager.default.isExecutableFile(atPath: $0 + "/postgres") }

    init() throws {
        guard let programs = Self.programs else {
            throw Failed(description: "no PostgreSQL: apt-get install postgresql")
        }
        directory = "/tmp/longtake-pg-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        if getuid() == 0, let user = getpwnam("nobody") { chown(directory, user.pointee.pw_uid, user.pointee.pw_gid) }
        let initialised = Self.process(
            programs + "/initdb",
            ["-D", directory + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        try initialised.run()
        initialised.waitUntilExit()
        guard initialised.terminationStatus == 0 else { throw Failed(description: "initdb failed") }
        Leftovers.add(directory)
        try start()
        try Connection(conninfo("postgres")).run("CREATE DATABASE base")
        try Connection(conninfo("base")).run(try Self.script())
    }

    /// The tables and procedures. `LONGTAKE_SPIKE_BREAK="old=>new"` breaks a rule in them, to see the tests fail.
    private static func script() throws -> String {
        guard let change = ProcessInfo.processInfo.environment["LONGTAKE_SPIKE_BREAK"] else { return Schema.script }
        let parts = change.components(separatedBy: "=>")
        guard parts.count == 2, Schema.script.contains(parts[0]) else {
            throw Failed(description: "nothing to break: \(change)")
        }
        return Schema.script.replacingOccurrences(of: parts[0], with: parts[1])
    }

    func start() throws {
        let programs = Self.programs ?? ""
        let started = DispatchSemaphore(value: 0)
        let process = Self.process(
            programs + "/postgres",
            ["-D", directory + "/data", "-k", directory, "-c", "listen_addresses=", "-c", "shared_buffers=32MB"])
        // On a thread that never ends, because the server gets its signal when this thread ends.
        Thread.detachNewThread {
            do { try process.run() } catch { print("cannot start PostgreSQL: \(error)") }
            started.signal()
            DispatchSemaphore(value: 0).wait()
        }
        started.wait()
        Leftovers.add(server: process.processIdentifier)
        server.withLock { $0 = process }
        for _ in 0..<300 {
            if (try? Connection(conninfo("postgres"))) != nil { return }
            usleep(100_000)
        }
        throw Failed(description: "PostgreSQL does not answer")
    }

    /// Ends the server as a crash does: no checkpoint, no answer to anybody.
    func crash() {
        guard let process = server.withLock({ $0 }) else { return }
        kill(process.processIdentifier, SIGQUIT)
        process.waitUntilExit()
        Leftovers.remove(server: process.processIdentifier)
    }

    /// Makes an empty database with the tables.
    /// - Returns: where it is.
    func database() throws -> String {
        let number = databases.withLock { number in
            number += 1
            return number
        }
        try Connection(conninfo("postgres")).run("CREATE DATABASE test\(number) TEMPLATE base")
        return conninfo("test\(number)")
    }

    private func conninfo(_ name: String) -> String { "host=\(directory) user=postgres dbname=\(name)" }

    private static func process(_ program: String, _ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        // PostgreSQL does not run as root.
        let identity = getuid() == 0 ? ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] : []
        process.arguments = identity + ["--pdeathsig", "QUIT", program] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return process
    }
}

/// What this process has started and removes when it ends.
private enum Leftovers {
    private static let state = Mutex<(servers: Set<Int32>, directories: [String], isRegistered: Bool)>(([], [], false))

    static func add(_ directory: String) {
        let isFirst = state.withLock { state in
            state.directories.append(directory)
            defer { state.isRegistered = true }
            return !state.isRegistered
        }
        if isFirst { atexit { Leftovers.remove() } }
    }

    static func add(server: Int32) { state.withLock { _ = $0.servers.insert(server) } }
    static func remove(server: Int32) { state.withLock { _ = $0.servers.remove(server) } }

    private static func remove() {
        let (servers, directories, _) = state.withLock { $0 }
        for server in servers {
            kill(server, SIGQUIT)
            for _ in 0..<100 where kill(server, 0) == 0 {
                waitpid(server, nil, WNOHANG)
                usleep(20_000)
            }
        }
        for directory in directories { try? FileManager.default.removeItem(atPath: directory) }
    }
}
