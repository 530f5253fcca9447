import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// What this run started and made, and has to take away again: child processes and scratch directories.
enum Leftovers {
    private struct State {
        var processes: Set<pid_t> = []
        var directories: Set<String> = []
    }

    private static let state = Mutex(State())

    static func add(process: pid_t) { state.withLock { _ = $0.processes.insert(process) } }
    static func remove(process: pid_t) { state.withLock { _ = $0.processes.remove(process) } }
    static func add(directory: String) { state.withLock { _ = $0.directories.insert(directory) } }
    static func remove(directory: String) { state.withLock { _ = $0.directories.remove(directory) } }

    /// Ends the processes that are left, with those that they started, and removes the directories.
    static func clear() {
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

    /// From here on SIGINT and SIGTERM clear up before they end the process.
    static func clearOnSignals() {
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "longtake-bench.signals")
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                // The handler holds its source, which would be gone otherwise.
                _ = source
                clear()
                _exit(128 + number)
            }
            source.resume()
        }
    }
}

/// A directory that is gone when the run is over.
struct ScratchDirectory: Sendable {
    let path: String

    init(in parent: String) throws {
        var template = Array((parent + "/longtake-bench-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw BenchFailure("cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        Leftovers.add(directory: path)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)"))
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
        Leftovers.remove(directory: path)
    }
}
