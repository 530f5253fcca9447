/// Validates JSON against a schema of the OpenAPI document. It supports the part of JSON Schema
/// that the document uses.
package struct SchemaCheck {
    private let schemas: [String: Any]

    package init(_ document: [String: Any]) {
        schemas = (document["components"] as? [String: Any])?["schemas"] as? [String: Any] ?? [:]
    }

    /// The errors with their positions. A member that is not in the schema is an error too, because
    /// a reader of the document would not know it.
    package func problems(with value: Any, as name: String) -> [String] {
        check(value, ["$ref": "#/components/schemas/\(name)"], name)
    }

    private func check(_ value: Any, _ schema: [String: Any], _ pointer: String) -> [String] {
        if let reference = schema["$ref"] as? String {
            guard let target = schemas[String(reference.split(separator: "/").last ?? "")] as? [String: Any] else {
                return ["\(pointer): no \(reference)"]
            }
            return check(value, target, pointer)
        }
        if let choices = schema["oneOf"] as? [Any] {
            let fits = choices.compactMap { $0 as? [String: Any] }.filter { check(value, $0, pointer).isEmpty }
            return fits.count == 1 ? [] : ["\(pointer): matches \(fits.count) choices: \(value)"]
        }
        var problems = type(value, schema, pointer) + enumeration(value, schema, pointer)
        if let number = value as? Double {
            let (least, most) = (schema["minimum"] as? Double ?? number, schema["maximum"] as? Double ?? number)
            if number < least || number > most { problems.append("\(pointer): \(number) is out of range") }
        }
        if let elements = value as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, element) in elements.enumerated() { problems += check(element, items, "\(pointer)/\(index)") }
        }
        if let members = value as? [String: Any] { problems += object(members, schema, pointer) }
        return problems
    }

    private func object(_ members: [String: Any], _ schema: [String: Any], _ pointer: String) -> [String] {
        let known = schema["properties"] as? [String: Any] ?? [:]
        let other = schema["additionalProperties"]
        var problems = (schema["required"] as? [Any] ?? []).compactMap { $0 as? String }.filter { members[$0] == nil }
            .map { "\(pointer)/\($0): is missing" }
        for (name, value) in members {
            if let rule = (known[name] ?? other) as? [String: Any] {
                problems += check(value, rule, "\(pointer)/\(name)")
            } else if !(other as? Bool ?? (known.isEmpty && schema["required"] == nil)) {
                problems.append("\(pointer)/\(name): is not in the document")
            }
        }
        return problems
    }

    private func type(_ value: Any, _ schema: [String: Any], _ pointer: String) -> [String] {
        let allowed =
            (schema["type"] as? String).map { [$0] } ?? (schema["type"] as? [Any])?.compactMap { $0 as? String }
        guard let allowed else { return [] }
        let actual =
            switch value {
            case is JSON.Null: "null"
            case is Bool: "boolean"
            case let number as Double: number == number.rounded() ? "integer" : "number"
            case is String: "string"
            case is [Any]: "array"
            default: "object"
            }
        let fits = allowed.contains(actual) || actual == "integer" && allowed.contains("number")
        return fits ? [] : ["\(pointer): is \(actual), not \(allowed)"]
    }

    private func enumeration(_ value: Any, _ schema: [String: Any], _ pointer: String) -> [String] {
        if let words = schema["enum"] as? [Any], !words.contains(where: { "\($0)" == "\(value)" }) {
            return ["\(pointer): \(value) is not one of \(words)"]
        }
        if let constant = schema["const"], "\(constant)" != "\(value)" {
            return ["\(pointer): \(value), not \(constant)"]
        }
        if let pattern = schema["pattern"] as? String, let text = value as? String,
            (try? Regex(pattern).wholeMatch(in: text)) == nil
        {
            return ["\(pointer): “\(text)” does not match \(pattern)"]
        }
        return []
    }
}
