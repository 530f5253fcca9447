import Logging
import LongtakeCore
import LongtakeHTTP

/// One scalar setting: its key, its rule in words, and how it is read into ``Settings`` and shown.
struct SettingsKey: Sendable {
    let name: String
    let rule: String
    /// `false` where the text breaks the rule.
    var read: @Sendable (String, inout Settings) -> Bool
    var show: @Sendable (Settings) -> String
    /// Whether it is a list in a file; elsewhere the items have commas between them.
    var isList = false
    /// A better reason than the rule for refusing a text; `nil` if there is none.
    var advice: @Sendable (String) -> String? = { _ in nil }

    static let all: [SettingsKey] = [
        hosts,
        integer("http.port", \.http.port, 0...65_535),
        unixSocket,
        text(
            "http.unix_socket_mode", \.http.unixSocketMode, "permissions in octal, such as 0660",
            { Settings.HTTP.permissions($0) != nil }),
        text("http.unix_socket_group", \.http.unixSocketGroup, "the name of a group", { !$0.contains("\0") }),
        list(
            "http.allowed_hosts", \.http.allowedHosts,
            "host names without a port, such as longtake.example.org or *.example.org, or * with keys",
            AllowedHosts.isEntry),
        list(
            "http.cors_origins", \.http.corsOrigins, "origins such as https://app.example.org, or *", isOrigin),
        text(
            "http.public_url", \.http.publicURL, "an address such as https://video.example.org/longtake, or empty",
            { $0.isEmpty || PublicURL($0) != nil }),
        list(
            "http.trusted_proxies", \.http.trustedProxies,
            "addresses and networks such as 10.0.0.0/8, and unix for Unix sockets", { TrustedProxies([$0]) != nil }),
        text("storage.path", \.storage.path, "a directory", { !$0.isEmpty }),
        text("storage.backup_path", \.storage.backupPath, "a directory", { _ in true }),
        integer("storage.retention_hours", \.storage.retentionHours, 0...87_600),
        number("storage.max_gigabytes", \.storage.maxGigabytes, 0...100_000),
        integer("stream.heartbeat_seconds", \.stream.heartbeatSeconds, Limits.heartbeatSeconds),
        integer("stream.max_streams", \.stream.maxStreams, 1...1_000_000),
        integer("stream.max_streams_per_key", \.stream.maxStreamsPerKey, 1...1_000_000),
        integer("stream.max_age_seconds", \.stream.maxAgeSeconds, 0...604_800),
        text("pipelines", \.pipelines, "a file", { !$0.isEmpty }),
        integer(
            "reports.interval_milliseconds", \.reports.intervalMilliseconds, Limits.reportIntervalMilliseconds),
        number("simulation.speed", \.simulation.speed, Limits.simulationSpeed),
        choice("auth.mode", \.auth.mode),
        flag("auth.allow_anonymous", \.auth.allowAnonymous),
        text("auth.keys_file", \.auth.keysFile, "a file", { _ in true }),
        integer("limits.requests_per_second_per_key", \.limits.requestsPerSecondPerKey, 0...1_000_000),
        integer("limits.queued_jobs_per_tenant", \.limits.queuedJobsPerTenant, Limits.queuedJobsPerTenant),
        integer("shutdown.grace_seconds", \.shutdown.graceSeconds, 1...600),
        choice("log.level", \.log.level),
        choice("log.format", \.log.format),
        choice("log.access", \.log.access),
    ]

    static func find(_ name: String) -> SettingsKey? { all.first { $0.name == name } }

    /// The key of a variable's name without its prefix, in lower case: the dots of a key are written `_` there.
    static func find(variable: String) -> String? {
        all.first { $0.name.replacing(".", with: "_") == variable }?.name
    }

    /// The queue in the name of a variable such as `queues_gpu_workers`. Each `_` of it may stand for a `-`.
    static func queue(variable: String) -> String? {
        guard variable.hasPrefix("queues_"), variable.hasSuffix("_workers") else { return nil }
        return String(variable.dropFirst(7).dropLast(8))
    }

    /// The queue's name in `queues.NAME.workers`.
    static func queue(in key: String) -> String? {
        let parts = key.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "queues" && parts[2] == "workers" ? String(parts[1]) : nil
    }

    /// Whether a known key is at or below this path.
    static func isPrefix(_ path: [String]) -> Bool {
        if path[0] == "queues" { return path.count <= 2 || path == ["queues", path[1], "workers"] }
        let key = path.joined(separator: ".")
        return all.contains { $0.name == key || $0.name.hasPrefix(key + ".") }
    }

    /// The keys right below a path, for telling what would have been right.
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

    /// An item between two commas is there, and empty: the item's rule refuses it.
    private static func items(in text: String) -> [String] {
        text.isEmpty
            ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmingSpaces) }
    }

    /// One value or a list. A daemon that listens nowhere is not meant, so the list is never empty.
    private static let hosts: SettingsKey = {
        var key = list(
            "http.host", \.http.hosts, "host names or addresses, each named once", { ListenHost.isValid($0) })
        let (read, show) = (key.read, key.show)
        key.read = { text, settings in
            let hosts = items(in: text)
            return !hosts.isEmpty && Set(hosts).count == hosts.count && read(text, &settings)
        }
        key.show = { $0.http.hosts.count == 1 ? $0.http.hosts[0] : show($0) }
        key.advice = { text in
            if items(in: text).isEmpty {
                return "is empty, so the daemon would listen nowhere. Name a host name or an address."
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
                "“\(path)” has \(path.utf8.count) bytes. The system allows \(UnixSocketFile.longestPath) for the path of a Unix socket, so choose a shorter one."
        }
        return key
    }()

    /// A scheme, a host and perhaps a port (RFC 6454 §6.2), with nothing behind them.
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
