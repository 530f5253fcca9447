import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// The child processes and directories that the driver must remove before it exits.
enum Cleanup {
    private struct State {
        var processes: Set<pid_t> = []
        var directories: Set<String> = []
    }

    private static let state = Mutex(State())

    static func add(process: pid_t) { state.withLock { _ = $0.processes.insert(process) } }
    static func remove(process: pid_t) { state.withLock { _ = $0.processes.remove(process) } }
    static func add(directory: String) { state.withLock { _ = $0.directories.insert(directory) } }
    static func remove(directory: String) { state.withLock { _ = $0.directories.remove(directory) } }

    /// Kills the remaining processes and their child processes, and removes the remaining
    /// directories.
    static func run() {
        let (processes, directories) = state.withLock { state in
            defer { (state.processes, state.directories) = ([], []) }
            return (state.processes, state.directories)
        }
        for process in processes {
            for child in ProcessTable.children(of: process) { kill(child, SIGKILL) }
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        for directory in directories { try? FileManager.default.removeItem(atPath: directory) }
    }

    /// Makes SIGINT and SIGTERM run the cleanup before they end the process.
    static func runOnSignals() {
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "longtake-bench.signals")
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                // The handler keeps its source alive.
                _ = source
                run()
                _exit(128 + number)
            }
            source.resume()
        }
    }
}

/// A temporary directory. ``Cleanup`` removes it if its owner does not.
struct ScratchDirectory: Sendable {
    let path: String

    init(in parent: String) throws {
        var template = Array((parent + "/longtake-bench-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw BenchFailure("cannot create a directory in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        Cleanup.add(directory: path)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)"))
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
        Cleanup.remove(directory: path)
    }
}
