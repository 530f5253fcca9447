import HTTPTypes

/// The methods and paths of the routes that read the body of the request as it arrives. The
/// connection asks before any route is called.
struct UploadPaths: Sendable {
    private struct Template: Sendable {
        let method: String
        /// The parts of the path; `nil` for a parameter.
        let parts: [[UInt8]?]
    }

    private var templates: [Template] = []

    /// - Parameter path: such as `/v1/uploads/{id}`.
    mutating func add(_ method: HTTPRequest.Method, _ path: String) {
        let parts = path.split(separator: "/").map { $0.hasPrefix("{") ? nil : Array($0.utf8) }
        templates.append(Template(method: method.rawValue, parts: parts))
    }

    /// Whether a request is for one of the routes. It allocates nothing, because every request with
    /// a body is asked for. An unusual spelling of a path does not match. Then the body is small or
    /// refused, as for all other routes.
    func contain(_ method: String, _ target: String) -> Bool {
        templates.contains { $0.method == method && Self.matches(target.utf8, $0.parts) }
    }

    private static func matches(_ target: String.UTF8View, _ parts: [[UInt8]?]) -> Bool {
        var index = target.startIndex
        for part in parts {
            guard index < target.endIndex, target[index] == UInt8(ascii: "/") else { return false }
            let start = target.index(after: index)
            index =
                target[start...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? target.endIndex
            let text = target[start..<index]
            guard part.map({ text.elementsEqual($0) }) ?? !text.isEmpty else { return false }
        }
        return index == target.endIndex || target[index] == UInt8(ascii: "?")
    }
}
