import HTTPTypes
import LongtakeCore
import Testing

@testable import LongtakeHTTP

/// Compares the document with the routes and types, so that neither can change alone.
@Suite("the OpenAPI document") struct OpenAPITests {
    private static func document() throws -> JSONValue { try JSONReader.read(Array(DocumentRoutes.document)) }

    // Fails if a path or a right differs, and if an open route does not say that it is open.
    @Test("describes exactly the routes that exist, with their rights")
    func routes() throws {
        let server = try HTTPServer.forTests()
        let served = Dictionary(
            uniqueKeysWithValues: server.entries.map { ("\($0.method.rawValue) \($0.path)", $0.right?.rawValue) })
        let described = Dictionary(
            uniqueKeysWithValues: try Self.operations().map { ($0.name, $0.operation["x-right"]?.text) })
        #expect(Set(described.keys).subtracting(served.keys) == [], "described but not served")
        #expect(Set(served.keys).subtracting(described.keys) == [], "served but not described")
        for (name, right) in served { #expect(described[name] == right, "\(name)") }
        for (name, operation) in try Self.operations() {
            #expect((operation["x-right"] == nil) == (operation["security"] == .array([])), "\(name)")
        }
    }

    // Fails if a schema is not referenced.
    @Test("contains every component that it references, and no other")
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

    @Test("gives each operation a unique id, a summary and its responses")
    func operations() throws {
        let operations = try Self.operations()
        #expect(Set(operations.compactMap { $0.operation["operationId"]?.text }).count == operations.count)
        for (name, operation) in operations {
            #expect(operation["summary"]?.text?.isEmpty == false, "\(name)")
            let responses = Self.members(operation["responses"])
            #expect(responses.contains { $0.key.hasPrefix("2") }, "\(name)")
            #expect(["400", "408", "413", "417", "431", "501"].allSatisfy { responses[$0] != nil }, "\(name)")
            #expect((responses["401"] != nil && responses["403"] != nil) == (operation["x-right"] != nil), "\(name)")
            #expect((responses["404"] != nil) == name.contains("{"), "\(name)")
        }
    }

    // Fails if `required` contains a name that is not a property.
    @Test("defines every required property and lists all values of each enum")
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
