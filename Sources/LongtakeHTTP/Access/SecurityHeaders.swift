import HTTPTypes

/// What every answer tells a browser: take it for nothing but what it says it is, show it in nobody's frame, lend it to no other site, and
/// tell nobody the address, which may hold a ticket.
enum SecurityHeaders {
    /// Adds those that the answer does not have in words of its own.
    static func add(to headers: inout HTTPFields) {
        for field in all where headers[field.name] == nil { headers.append(field) }
    }

    private static let all: HTTPFields = [
        .xContentTypeOptions: "nosniff",
        .referrerPolicy: "no-referrer",
        .crossOriginResourcePolicy: "same-origin",
        .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
    ]
}
