/// What an inspection of a database found. It changes nothing, and takes the same memory at any size of the database.
public struct StorageInspection: Hashable, Sendable, Encodable {
    /// The database file.
    public let path: String
    public let bytes: Int64
    /// Of the write-ahead log that a process left behind which did not stop orderly; 0 after an orderly stop.
    public let walBytes: Int64
    public let sqliteVersion: String
    public let applicationID: Int32
    /// The migrations that the database has seen, in their order.
    public let schema: [String]
    public let schemaAge: SchemaAge
    public internal(set) var epoch = ""
    public internal(set) var boots: Int64 = 0
    public internal(set) var jobs: Int64 = 0
    public internal(set) var events: Int64 = 0
    /// The ids of jobs that the daemon has set aside because they cannot be read, as they are stored. They are no violations: they are final,
    /// and what cannot be read of them is kept.
    public internal(set) var setAside: [String] = []
    /// How often each invariant is broken, by its name; those that hold are left out.
    public internal(set) var counts: [String: Int] = [:]
    /// The first of them, at most ``violationsKept`` of each invariant.
    public internal(set) var violations: [Violation] = []

    /// Violations of one invariant that are told one by one; beyond that they are counted.
    public static let violationsKept = 100

    /// How the schema stands to the one of this program.
    public enum SchemaAge: String, Hashable, Sendable, Encodable {
        case current
        /// It is brought up at the next start.
        case older
        /// Only a newer program can open it; nothing was looked at.
        case newer
    }

    private enum CodingKeys: String, CodingKey {
        case path, bytes, schema, epoch, boots, jobs, events, counts, violations
        case setAside = "set_aside"
        case walBytes = "wal_bytes"
        case sqliteVersion = "sqlite_version"
        case applicationID = "application_id"
        case schemaAge = "schema_age"
    }

    /// Whether this program can open the database and every invariant holds.
    public var isSound: Bool { schemaAge != .newer && violationCount == 0 }

    /// How many violations there are in all, those included that are not told one by one.
    public var violationCount: Int { counts.values.reduce(0, +) }

    /// Whether it was looked at: a damaged file is looked through no further, since what is read from it says little.
    public func hasExamined(_ invariant: Invariant) -> Bool {
        schemaAge != .newer && !schema.isEmpty
            && (invariant == .integrity || counts[Invariant.integrity.rawValue] == nil)
    }

    mutating func add(_ violation: Violation) {
        let count = counts[violation.invariant.rawValue, default: 0]
        counts[violation.invariant.rawValue] = count + 1
        if count < Self.violationsKept { violations.append(violation) }
    }
}
