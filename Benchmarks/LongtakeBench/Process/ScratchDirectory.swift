import FoundationEssentials
import Glibc

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
