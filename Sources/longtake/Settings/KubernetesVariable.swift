/// The variables that Kubernetes sets in every container for each Service of its namespace, unless `enableServiceLinks` is false.
///
/// The names of a Service that is called `longtake`, or begins so, look like settings. For `longtake-http` with port 80 they are
/// `LONGTAKE_HTTP_SERVICE_HOST`, `LONGTAKE_HTTP_SERVICE_PORT`, `LONGTAKE_HTTP_SERVICE_PORT_WEB` (of a port named `web`),
/// `LONGTAKE_HTTP_PORT=tcp://10.0.0.1:80`, and `LONGTAKE_HTTP_PORT_80_TCP` with `_PROTO`, `_PORT` and `_ADDR`.
enum KubernetesVariable {
    private static let protocols = ["TCP", "UDP", "SCTP"]

    /// Whether Kubernetes sets a variable of this name to such a value. The value decides for `…_PORT` only, which may be a setting.
    static func isInjected(_ name: String, _ value: String) -> Bool {
        guard name.utf8.allSatisfy({ (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f }) else {
            return false
        }
        let isService =
            name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT")
            || name.contains("_SERVICE_PORT_") && !name.hasSuffix("_")
        let isAddress =
            name.hasSuffix("_PORT") && protocols.contains { value.hasPrefix($0.lowercased() + "://") }
        return isService || isAddress || isPort(name)
    }

    /// Whether the name ends with `_PORT_80_TCP`, or with one of the parts of that address.
    private static func isPort(_ name: String) -> Bool {
        var words = name.split(separator: "_", omittingEmptySubsequences: false)
        if let last = words.last, ["PROTO", "PORT", "ADDR"].contains(last) { words.removeLast() }
        guard words.count >= 4, let last = words.popLast(), protocols.contains(String(last)),
            let number = words.popLast().flatMap({ Int($0) }), (1...65_535).contains(number)
        else { return false }
        return words.last == "PORT"
    }
}
