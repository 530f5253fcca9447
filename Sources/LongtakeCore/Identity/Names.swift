/// A name that is written in configuration and shown in events: lower-case letters, digits, `-` and `_`, 1 to 64 bytes.
public protocol Name: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    var description: String { get }
    init(unchecked text: String)
}

extension Name {
    /// Accepts a well-formed name.
    public init?(_ text: String) {
        guard (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x5f
            })
        else { return nil }
        self.init(unchecked: text)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let name = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "a name has 1 to 64 characters of a-z, 0-9, '-' and '_', not “\(text)”")
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// The name of a pool of workers.
public struct QueueName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The name of a step of a pipeline, unique within it.
public struct StageName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The name of a list of stages.
public struct PipelineName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The owner of jobs. Without keys there is one, ``anonymous``.
public struct TenantName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }

    /// The one tenant of a daemon that asks nobody for a key.
    public static let anonymous = TenantName(unchecked: "anonymous")
}
