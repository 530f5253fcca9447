/// A name in the configuration and in events: 1 to 64 lower-case letters, digits, `-` and `_`.
public protocol Name: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    var description: String { get }
    init(unchecked text: String)
}

extension Name {
    /// Parses a name. Any other text is `nil`.
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
                debugDescription: "a name must have 1 to 64 characters of a-z, 0-9, '-' and '_', not “\(text)”")
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// The name of a queue, from which workers claim stages.
public struct QueueName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The name of a stage, unique within its pipeline.
public struct StageName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The name of a pipeline.
public struct PipelineName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }
}

/// The name of a tenant, who owns jobs.
public struct TenantName: Name {
    public let description: String
    public init(unchecked text: String) { description = text }

    /// The only tenant of a daemon that requires no keys.
    public static let anonymous = TenantName(unchecked: "anonymous")
}
