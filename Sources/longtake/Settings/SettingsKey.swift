import Logging
import LongtakeCore
import LongtakeEngine
import LongtakeHTTP
import NIOCore

/// One setting: its key, its rule, and functions that parse and print its value.
struct SettingsKey: Sendable {
    let name: String
    /// The rule for a value, as the end of a sentence with “must be”.
    let rule: String
    /// Parses a value into the settings. Returns `false` if the value violates the rule.
    var read: @Sendable (String, inout Settings) -> Bool
    /// The value as YAML.
    var show: @Sendable (Settings) -> String
    /// Whether the value is a list. Environment variables and flags separate its items by commas.
    var isList = false
    /// A more helpful message than the rule for an invalid value; `nil` if there is none.
    var advice: @Sendable (String) -> String? = { _ in nil }

    static let all: [SettingsKey] = [
        hosts,
        integer("http.port", \.http.port, 0...65_535),
        unixSocket,
        text(
            "http.unix_socket_mode", \.http.unixSocketMode, "permissions in octal, such as 0660",
            { Settings.HTTP.permissions($0) != nil }),
        text("http.unix_socket_group", \.http.unixSocketGroup, "a group name", { !$0.contains("\0") }),
        list(
            "http.allowed_hosts", \.http.allowedHosts,
            "host names without a port, such as longtake.example.org or *.example.org, or * if auth.mode is keys",
            AllowedHosts.isEntry),
        list(
            "http.cors_origins", \.http.corsOrigins, "origins such as https://app.example.org, or *", isOrigin),
        text(
            "http.public_url", \.http.publicURL, "a URL such as https://video.example.org/longtake, or empty",
            { $0.isEmpty || PublicURL($0) != nil }),
        list(
            "http.trusted_proxies", \.http.trustedProxies,
            "addresses and networks such as 10.0.0.0/8, or unix for Unix sockets", { TrustedProxies([$0]) != nil }),
        text("storage.path", \.storage.path, "a directory", { !$0.isEmpty }),
        text("storage.backup_path", \.storage.backupPath, "a directory", { _ in true }),
        integer("storage.retention_hours", \.storage.retentionHours, 0...87_600),
        number("storage.max_gigabytes", \.storage.maxGigabytes, 0...100_000),
        number("storage.files_max_gigabytes", \.storage.filesMaxGigabytes, 0...1_000_000),
        number("storage.min_free_gigabytes", \.storage.minFreeGigabytes, 0...100_000),
        integer("storage.intermediate_hours", \.storage.intermediateHours, 0...87_600),
        integer("stream.heartbeat_seconds", \.stream.heartbeatSeconds, HTTPLimits.heartbeatSeconds),
        integer("stream.max_streams", \.stream.maxStreams, 1...1_000_000),
        integer("stream.max_streams_per_key", \.stream.maxStreamsPerKey, 1...1_000_000),
        integer("stream.max_age_seconds", \.stream.maxAgeSeconds, 0...604_800),
        text("pipelines", \.pipelines, "a file", { !$0.isEmpty }),
        integer(
            "reports.interval_milliseconds", \.reports.intervalMilliseconds, EngineLimits.reportIntervalMilliseconds),
        choice("commands.sandbox", \.commands.sandbox),
        number("simulation.speed", \.simulation.speed, Limits.simulationSpeed),
        choice("auth.mode", \.auth.mode),
        flag("auth.allow_anonymous", \.auth.allowAnonymous),
        text("auth.keys_file", \.auth.keysFile, "a file", { _ in true }),
        integer("limits.requests_per_second_per_key", \.limits.requestsPerSecondPerKey, 0...1_000_000),
        integer("limits.queued_jobs_per_tenant", \.limits.queuedJobsPerTenant, Limits.queuedJobsPerTenant),
        integer("limits.file_megabytes", \.limits.fileMegabytes, 1...1_000_000),
        number("limits.file_gigabytes_per_tenant", \.limits.fileGigabytesPerTenant, 0.001...1_000_000),
        number("limits.artifact_gigabytes_per_job", \.limits.artifactGigabytesPerJob, 0.001...1_000_000),
        number("limits.stage_disk_gigabytes", \.limits.stageDiskGigabytes, 0.001...1_000_000),
        integer("shutdown.grace_seconds", \.shutdown.graceSeconds, 1...600),
        choice("log.level", \.log.level),
        choice("log.format", \.log.format),
        choice("log.access", \.log.access),
    ]

    static func find(_ name: String) -> SettingsKey? { all.first { $0.name == name } }

    /// Finds the key of an environment variable. Variables contain `_` in place of the dots of a
    /// key.
    /// - Parameter variable: the name without its prefix, in lower case.
    static func find(variable: String) -> String? {
        all.first { $0.name.replacing(".", with: "_") == variable }?.name
    }

    /// The queue in the name of a variable such as `queues_gpu_workers`. Each `_` in it may stand
    /// for `-`.
    static func queue(variable: String) -> String? {
        guard variable.hasPrefix("queues_"), variable.hasSuffix("_workers") else { return nil }
        return String(variable.dropFirst(7).dropLast(8))
    }

    /// The name of the queue in `queues.NAME.workers`.
    static func queue(in key: String) -> String? {
        let parts = key.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "queues" && parts[2] == "workers" ? String(parts[1]) : nil
    }

    /// Whether the path is a known key or a prefix of one.
    static func isPrefix(_ path: [String]) -> Bool {
        if path[0] == "queues" { return path.count <= 2 || path == ["queues", path[1], "workers"] }
        let key = path.joined(separator: ".")
        return all.contains { $0.name == key || $0.name.hasPrefix(key + ".") }
    }

    /// The known keys directly below a path, for error messages.
    static func names(under path: [String]) -> [String] {
        if path.first == "queues" { return path.count == 1 ? ["any queue"] : ["workers"] }
        let names = (all.map(\.name) + ["queues.x"]).map { $0.split(separator: ".").map(String.init) }
        return Set(
            names.filter { $0.count > path.count && Array($0.prefix(path.count)) == path }.map { $0[path.count] }
        ).sorted()
    }

    private static func text(
        _ name: String, _ path: any WritableKeyPath<Settings, String> & Sendable, _ rule: String,
        _ isAllowed: @escaping @Sendable (String) -> Bool
    ) -> SettingsKey {
        SettingsKey(
            name: name, rule: rule,
            read: { text, settings in
                guard isAllowed(text) else { return false }
                settings[keyPath: path] = text
                return true
            },
            show: { $0[keyPath: path].isEmpty ? "\"\"" : $0[keyPath: path] })
    }

    private static func integer(
        _ name: String, _ path: any WritableKeyPath<Settings, Int> & Sendable, _ range: ClosedRange<Int>
    ) -> SettingsKey {
        SettingsKey(
            name: name, rule: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            read: { text, settings in
                guard let value = Int(text), range.contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            },
            show: { String($0[keyPath: path]) })
    }

    private static func number(
        _ name: String, _ path: any WritableKeyPath<Settings, Double> & Sendable, _ range: ClosedRange<Double>
    ) -> SettingsKey {
        @Sendable func show(_ number: Double) -> String { Int64(exactly: number).map(String.init) ?? String(number) }
        return SettingsKey(
            name: name, rule: "a number from \(show(range.lowerBound)) to \(show(range.upperBound))",
            read: { text, settings in
                guard let value = Double(text), range.contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            },
            show: { show($0[keyPath: path]) })
    }

    private static func flag(
        _ name: String, _ path: any WritableKeyPath<Settings, Bool> & Sendable
    ) -> SettingsKey {
        SettingsKey(
            name: name, rule: "true or false",
            read: { text, settings in
                guard let value = Bool(text) else { return false }
                settings[keyPath: path] = value
                return true
            },
            show: { String($0[keyPath: path]) })
    }

    private static func list(
        _ name: String, _ path: any WritableKeyPath<Settings, [String]> & Sendable, _ rule: String,
        _ isAllowed: @escaping @Sendable (String) -> Bool
    ) -> SettingsKey {
        SettingsKey(
            name: name, rule: "a list of \(rule)",
            read: { text, settings in
                let items = items(in: text)
                guard items.allSatisfy(isAllowed) else { return false }
                settings[keyPath: path] = items
                return true
            },
            show: { settings in "[" + settings[keyPath: path].map { "\"\($0)\"" }.joined(separator: ", ") + "]" },
            isList: true)
    }

    /// The items of a list. Nothing between two commas is an empty item, which the item's rule
    /// rejects.
    private static func items(in text: String) -> [String] {
        text.isEmpty
            ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmingSpaces) }
    }

    /// One value or a list. An empty list is an error, because the daemon would not listen on any
    /// address.
    private static let hosts: SettingsKey = {
        var key = list(
            "http.host", \.http.hosts, "host names or addresses without duplicates", { ListenHost.isValid($0) })
        let (read, show) = (key.read, key.show)
        key.read = { text, settings in
            let hosts = items(in: text)
            return !hosts.isEmpty && Set(hosts).count == hosts.count && read(text, &settings)
        }
        key.show = { $0.http.hosts.count == 1 ? $0.http.hosts[0] : show($0) }
        key.advice = { text in
            if items(in: text).isEmpty {
                return "is empty, so the daemon would not listen on any address. Set a host name or an address."
            }
            return items(in: text).lazy.compactMap(ListenHost.advice).first
        }
        return key
    }()

    private static let unixSocket: SettingsKey = {
        let rule = "a path of at most \(UnixSocketFile.longestPath) bytes"
        var key = text(
            "http.unix_socket", \.http.unixSocket, rule,
            { $0.utf8.count <= UnixSocketFile.longestPath && !$0.contains("\0") })
        key.advice = { path in
            guard path.utf8.count > UnixSocketFile.longestPath else { return nil }
            return
                "“\(path)” has \(path.utf8.count) bytes. The system allows \(UnixSocketFile.longestPath) bytes for the path of a Unix socket. Choose a shorter path."
        }
        return key
    }()

    /// Whether the text is a scheme, a host and an optional port (RFC 6454 §6.2), and nothing else.
    private static func isOrigin(_ text: String) -> Bool {
        if text == "*" || text == "null" { return true }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 3 && (parts[0] == "http:" || parts[0] == "https:") && parts[1].isEmpty
            && !parts[2].isEmpty
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }

    private static func choice<Value: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ path: any WritableKeyPath<Settings, Value> & Sendable
    ) -> SettingsKey {
        SettingsKey(
            name: name, rule: "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))",
            read: { text, settings in
                guard let value = Value(rawValue: text) else { return false }
                settings[keyPath: path] = value
                return true
            },
            show: { $0[keyPath: path].rawValue })
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// Validates an item of `http.host`: a host name, or an IP address without brackets and port.
enum ListenHost {
    static func isValid(_ text: String) -> Bool {
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        return AllowedHosts.isHostName(name) || isAddress(text)
    }

    /// Explains what to write instead of an invalid text; `nil` if the intention is unclear.
    static func advice(_ text: String) -> String? {
        if text.contains("://") { return "“\(text)” is a URL. Write only its host." }
        if text.contains("/") { return "“\(text)” is a path. Use http.unix_socket (--unix-socket) for a Unix socket." }
        if text.contains("*") { return "“\(text)” is not an address. Write 0.0.0.0 for all IPv4 addresses, or ::." }
        let (host, port) = parts(text)
        guard host != text, isValid(host) else { return nil }
        guard !port.isEmpty else { return "“\(text)” has brackets. Write \(host)." }
        return "“\(text)” contains a port. Write \(host), and set http.port (--port) to \(port)."
    }

    /// Splits a text such as `[::1]`, `[::1]:80` or `127.0.0.1:80` into its host and its port. The
    /// port may be empty.
    private static func parts(_ text: String) -> (host: String, port: String) {
        guard let colon = text.lastIndex(of: ":"), case let port = text[text.index(after: colon)...],
            !port.isEmpty, port.allSatisfy(\.isNumber), text[..<colon].last != ":",
            text.hasPrefix("[") == (text[..<colon].last == "]")
        else { return (unbracketed(text[...]), "") }
        return (unbracketed(text[..<colon]), String(port))
    }

    private static func unbracketed(_ text: Substring) -> String {
        text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : String(text)
    }

    /// Whether the text is an IP address. An IPv6 address may have a zone (RFC 4007 §11), as in
    /// `fe80::1%eth0`.
    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let isZone = parts.count == 1 || parts[0].contains(":") && AllowedHosts.isHostName(parts[1])
        return isZone && (try? SocketAddress(ipAddress: String(parts[0]), port: 0)) != nil
    }
}
