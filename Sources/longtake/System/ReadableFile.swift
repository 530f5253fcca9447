import Glibc

/// Reads a small file. Its errors say in plain words why the file cannot be read.
enum ReadableFile {
    /// A sentence without its final period, such as `/etc/longtake.yaml does not exist`.
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ path: String, _ code: CInt) {
            switch code {
            case ENOENT: description = "\(path) does not exist"
            case EACCES, EPERM: description = "this user may not read \(path)"
            case EISDIR: description = "\(path) is a directory"
            case ENOTDIR: description = "\(path) does not exist, because a part of its path is a file"
            default: description = "\(path) cannot be read: \(String(cString: strerror(code)))"
            }
        }
    }

    static func read(_ path: String) throws(Failure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path, errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw Failure(path, errno) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }
}
