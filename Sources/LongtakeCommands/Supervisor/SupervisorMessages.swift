import LongtakeCore

/// What the daemon sends to a supervisor.
enum SupervisorOrder: Hashable, Sendable, Codable {
    /// The first order. It starts the program.
    case launch(SupervisorLaunch)
    /// Sends `SIGTERM` to the group, and kills everything after the grace.
    case stop(graceMilliseconds: Int64)
    /// Kills everything now.
    case kill
}

/// The document with which a supervisor begins.
struct SupervisorLaunch: Hashable, Sendable, Codable {
    var program: ProgramLaunch
    /// The directory of the program's cgroup (v2), which the supervisor makes and removes; `nil`
    /// for none.
    var cgroup: String?
}

/// What a supervisor tells the daemon.
enum SupervisorReport: Hashable, Sendable, Codable {
    /// The program runs.
    case started(pid: Int32)
    /// The program did not start, and nothing is left of it.
    case failed(ProgramStartError)
    /// The program has ended.
    /// - Parameter left: how many of its descendants did not end in time, because the kernel still
    ///   holds them. All of them have received `SIGKILL`.
    case ended(ProgramEnd, left: Int)
}

/// The framing of messages between the daemon and a supervisor: four bytes with the length, the
/// most significant first, and then the JSON of one message.
struct SupervisorFrames {
    /// The maximum length of a message. The arguments and variables of a program have at most 2 MiB
    /// (execve(2)), and JSON can double that.
    static let maximumBytes = 8 << 20

    /// The other side sent something that is no message.
    struct Invalid: Error {}

    private var bytes: [UInt8] = []

    /// Encodes a message.
    /// - Throws: ``Invalid`` if the message is too long.
    static func encode(_ message: some Encodable) throws -> [UInt8] {
        let text = Array(try JSONText.encode(message).utf8)
        guard text.count <= maximumBytes else { throw Invalid() }
        let length = UInt32(text.count)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + text
    }

    /// Adds bytes that were received.
    mutating func append(_ received: some Sequence<UInt8>) { bytes += received }

    /// Removes the next message.
    /// - Returns: `nil` if it is not complete yet.
    /// - Throws: ``Invalid`` if it is too long, or a `DecodingError`.
    mutating func next<Message: Decodable>(_ type: Message.Type) throws -> Message? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.maximumBytes else { throw Invalid() }
        guard bytes.count >= 4 + length else { return nil }
        defer { bytes.removeFirst(4 + length) }
        return try JSONText.decode(type, from: String(decoding: bytes[4..<4 + length], as: UTF8.self))
    }
}
