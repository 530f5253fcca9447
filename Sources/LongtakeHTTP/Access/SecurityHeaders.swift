import HTTPTypes

/// What every answer tells a browser: take it for nothing but what it says it is, show it in nobody's frame, lend it to no other site, and
/// tell nobody the address, which may hold a ticket.
enum SecurityHeaders {
    static let all: HTTPFields = [
        .xContentTypeOptions: "nosniff",
        .referrerPolicy: "no-referrer",
        .crossOriginResourcePolicy: "same-origin",
        .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
    ]
}
