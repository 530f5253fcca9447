import HTTPTypes
import Logging
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeHTTP

/// The document and what it describes are compared, so that neither can change alone.
@Suite("the OpenAPI document") struct OpenAPITests {
    private static func document() throws -> JSONValue { try JSONReader.read(Array(DocumentRoutes.document)) }

    // Seen to fail where a path was written otherwise, a right was another, and what is open to all did not say so.
    @Test("tells each address, each method and each right that there is, and no other")
    func routes() throws {
        let clock = ManualClock()
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from:
                #"{"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}"#
        )
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(addresses: [], version: "test", uptime: { .zero }, random: { 7 }),
            journal: MemoryJournal(clock: clock), backups: NoBackups(), catalog: catalog, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let served = Dictionary(
            uniqueKeysWithValues: server.entries.map { ("\($0.method.rawValue) \($0.path)", $0.right?.rawValue) })
        let told = Dictionary(
            uniqueKeysWithValues: try Self.operations().map { ($0.name, $0.operation["x-right"]?.text) })
        #expect(Set(told.keys).subtracting(served.keys) == [], "what is described and not served")
        #expect(Set(served.keys).subtracting(told.keys) == [], "what is served and not described")
        for (name, right) in served { #expect(told[name] == right, "\(name)") }
        for (name, operation) in try Self.operations() {
            #expect((operation["x-right"] == nil) == (operation["security"] == .array([])), "\(name)")
        }
    }

    // Seen to fail with a schema that nobody refers to.
    @Test("refers only to what it has, and has nothing that nobody refers to")
    func references() throws {
        let document = try Self.document()
        var references: Set<String> = []
        Self.walk(document) { value in
            if let reference = value["$ref"]?.text { references.insert(reference) }
            if case .object(let mapping)? = value["mapping"] { references.formUnion(mapping.values.compactMap(\.text)) }
        }
        var parts: Set<String> = []
        for (kind, members) in Self.members(document["components"]) where kind != "securitySchemes" {
            parts.formUnion(Self.members(members).map { "#/components/\(kind)/\($0.key)" })
        }
        #expect(references == parts)
    }

    @Test("each operation has a name of its own, a summary, its path's parameters, and answers that say what they are")
    func operations() throws {
        let operations = try Self.operations()
        #expect(Set(operations.compactMap { $0.operation["operationId"]?.text }).count == operations.count)
        for (name, operation) in operations {
            #expect(operation["summary"]?.text?.isEmpty == false, "\(name)")
            let answers = Self.members(operation["responses"])
            #expect(answers.contains { $0.key.hasPrefix("2") }, "\(name)")
            #expect(["400", "408", "413", "417", "431", "501"].allSatisfy { answers[$0] != nil }, "\(name)")
            #expect((answers["401"] != nil && answers["403"] != nil) == (operation["x-right"] != nil), "\(name)")
            #expect((answers["404"] != nil) == name.contains("{"), "\(name)")
        }
    }

    // Seen to fail where a member had another name than in `required`.
    @Test("what an object needs, it has; and each word of the daemon is in it")
    func schemas() throws {
        let document = try Self.document()
        Self.walk(document) { value in
            guard case .array(let required)? = value["required"] else { return }
            let members = Set(Self.members(value["properties"]).keys)
            let isDocument = required.contains(.string("openapi"))
            #expect(isDocument || Set(required.compactMap(\.text)).isSubset(of: members), "\(required)")
        }
        let schemas = document["components"]?["schemas"]
        #expect(Self.words(schemas?["JobState"]) == JobState.allCases.map(\.rawValue))
        #expect(Self.words(schemas?["EventType"]) == EventType.allCases.map(\.rawValue))
        let mapping = Self.members(schemas?["Event"]?["discriminator"]?["mapping"])
        #expect(Set(mapping.keys) == Set(EventType.allCases.map(\.rawValue)))
        #expect(
            Self.words(schemas?["StreamReset"]?["properties"]?["reason"]) == CursorRefusal.allCases.map(\.rawValue))
    }

    private static func operations() throws -> [(name: String, operation: JSONValue)] {
        members(try document()["paths"]).flatMap { path, item in
            members(item).map { ("\($0.key.uppercased()) \(path)", $0.value) }
        }
    }

    private static func members(_ value: JSONValue?) -> [String: JSONValue] {
        guard case .object(let members)? = value else { return [:] }
        return members
    }

    private static func words(_ schema: JSONValue?) -> [String] {
        guard case .array(let words)? = schema?["enum"] else { return [] }
        return words.compactMap(\.text)
    }

    private static func walk(_ value: JSONValue, _ visit: (JSONValue) -> Void) {
        visit(value)
        switch value {
        case .object(let members): for member in members.values { walk(member, visit) }
        case .array(let elements): for element in elements { walk(element, visit) }
        default: break
        }
    }
}

/// Where nothing is backed up.
struct NoBackups: Backups {
    struct Failed: Error {}

    func begin() async throws -> Backup { throw Failed() }
    func backup(_ id: BackupID) async -> Backup? { nil }
    func backups() async -> [Backup] { [] }
}
