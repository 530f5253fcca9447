import LongtakeCore
import LongtakeEngine
import Yams

/// Merges settings from the file, the environment and the flags, in this order. A later source
/// overrides an earlier one.
///
/// ``SettingsKey`` lists every key. A key that is not listed there is an error in every source.
struct SettingsTree {
    private(set) var settings = Settings()
    /// The source of each key that was set.
    private(set) var sources: [String: SettingSource] = [:]
    /// The variables that were ignored because Kubernetes sets them, sorted by name.
    private(set) var ignoredVariables: [String] = []
    /// Variables such as `LONGTAKE_QUEUES_GPU_WORKERS`, whose queues ``applyQueueVariables(_:)``
    /// determines.
    private var queueVariables: [(name: String, queue: String, value: String)] = []

    func source(of key: String) -> SettingSource { sources[key] ?? .builtIn }

    /// Applies the keys of a YAML file. An empty file has no keys.
    mutating func apply(file path: String, text: String) throws(SettingsError) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw SettingsError(location: path, key: "", reason: "is not valid YAML: \(error.yamlReason)")
        }
        guard let root, root != Node("") else { return }
        try apply(root, at: [], from: .file(path))
    }

    private mutating func apply(_ node: Node, at path: [String], from source: SettingSource) throws(SettingsError) {
        let key = path.joined(separator: ".")
        if case .sequence(let items) = node, SettingsKey.find(key)?.isList == true {
            let texts = items.compactMap { $0.scalar?.string }
            guard texts.count == items.count, !texts.contains(where: { $0.contains(",") || $0.isEmpty }) else {
                throw source.error(key, "must be a list of strings")
            }
            return try set(key, texts.joined(separator: ","), from: source)
        }
        guard case .mapping(let mapping) = node else {
            let text = node.scalar.map { $0.string }
            guard let text, !key.isEmpty else {
                throw source.error(key, "must be \(key.isEmpty ? "a map of settings" : "one value")")
            }
            return try set(key, text, from: source)
        }
        if !key.isEmpty, SettingsKey.find(key) != nil { throw source.error(key, "must be one value") }
        if path == ["queues"] { settings.queues = [:] }
        var seen: Set<String> = []
        for (name, value) in mapping {
            guard let name = name.string else { throw source.error(key, "contains a key that is not a string") }
            let child = (path + [name]).joined(separator: ".")
            guard seen.insert(name).inserted else { throw source.error(child, "occurs twice") }
            guard SettingsKey.isPrefix(path + [name]) else {
                throw source.error(
                    child, "is not a known key. Known keys: \(SettingsKey.names(under: path).joined(separator: ", "))")
            }
            try apply(value, at: path + [name], from: source)
        }
    }

    /// Applies variables such as `LONGTAKE_HTTP_PORT`. A variable with this prefix that is not a
    /// setting is an error, unless Kubernetes set it.
    mutating func apply(environment: [String: String]) throws(SettingsError) {
        let others: Set<String> = ["LONGTAKE_CONFIG"]
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("LONGTAKE_") && !others.contains(name) {
            guard !KubernetesVariable.isInjected(name, value) else {
                ignoredVariables.append(name)
                continue
            }
            let words = name.dropFirst("LONGTAKE_".count).lowercased()
            if let queue = SettingsKey.queue(variable: words) {
                queueVariables.append((name, queue, value))
            } else if let key = SettingsKey.find(variable: words) {
                try set(key, value, from: .variable(name))
            } else {
                throw SettingSource.variable(name).error(
                    name, "is not a setting. Remove it or correct its name. config/longtake.yaml lists all settings.")
            }
        }
    }

    /// Applies the variables that set the workers of a queue. A variable's name cannot contain `-`,
    /// so `GPU_A100` also means `gpu-a100`.
    /// - Parameter used: the queues of the pipelines, which may have no workers yet.
    mutating func applyQueueVariables(_ used: some Sequence<String>) throws(SettingsError) {
        let known = Set(used).union(settings.queues.keys)
        for (name, queue, value) in queueVariables {
            let matches = known.filter { $0.replacing("-", with: "_") == queue }.sorted()
            guard matches.count <= 1 else {
                throw SettingSource.variable(name).error(
                    name,
                    "is ambiguous, because it can mean the queues \(matches.joined(separator: ", ")). Set their workers in the settings file."
                )
            }
            try set("queues.\(matches.first ?? queue).workers", value, from: .variable(name))
        }
    }

    /// Applies a flag.
    mutating func apply(flag: String, _ key: String, _ value: (some CustomStringConvertible)?) throws(SettingsError) {
        guard let value else { return }
        try set(key, "\(value)", from: .flag(flag))
    }

    private mutating func set(_ key: String, _ text: String, from source: SettingSource) throws(SettingsError) {
        if let name = SettingsKey.queue(in: key) {
            guard QueueName(name) != nil else {
                throw source.error(key, "must name a queue with 1 to 64 characters from a-z, 0-9, '-' and '_'")
            }
            guard let workers = Int(text), (0...EngineLimits.workersPerQueue).contains(workers) else {
                throw source.error(
                    key, "must be a whole number from 0 to \(EngineLimits.workersPerQueue), not “\(text)”")
            }
            settings.queues[name] = Settings.Queue(workers: workers)
            return
        }
        guard let entry = SettingsKey.find(key) else {
            throw source.error(key, "must be a map of settings, not one value")
        }
        guard entry.read(text, &settings) else {
            throw source.error(key, entry.advice(text) ?? "must be \(entry.rule), not “\(text)”")
        }
        sources[key] = source
    }
}

extension Error {
    /// Why a text is not valid YAML, with the line and column, on one line.
    fileprivate var yamlReason: String {
        switch self as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem.onOneLine)"
        default: "\(self)".onOneLine
        }
    }
}

extension String {
    /// The text with each sequence of white space and line breaks replaced by one space, so that an
    /// error fits on one line.
    var onOneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}

/// The source of a setting's value.
enum SettingSource: Hashable, Sendable {
    /// The default, because no other source sets the key.
    case builtIn
    case file(String)
    case variable(String)
    case flag(String)

    /// An error in the value from this source.
    func error(_ key: String, _ reason: String) -> SettingsError {
        switch self {
        case .builtIn: SettingsError(location: "settings", key: key, reason: reason)
        case .file(let path): SettingsError(location: path, key: key, reason: reason)
        case .variable(let name): SettingsError(location: "environment", key: name, reason: reason)
        case .flag(let name): SettingsError(location: "command line", key: name, reason: reason)
        }
    }

    /// What the operator has to change, for example `--port`, `LONGTAKE_HTTP_PORT` or `http.port in
    /// /etc/longtake/longtake.yaml`.
    func described(_ key: String) -> String {
        switch self {
        case .builtIn: "\(key), the default"
        case .file(let path): "\(key) in \(path)"
        case .variable(let name), .flag(let name): name
        }
    }
}

/// Recognizes the variables that Kubernetes sets in every container for each Service of the
/// namespace, unless `enableServiceLinks` is false.
///
/// If the name of a Service begins with `longtake`, its variables look like settings. For
/// `longtake-http` with port 80, they are `LONGTAKE_HTTP_SERVICE_HOST`,
/// `LONGTAKE_HTTP_SERVICE_PORT`, `LONGTAKE_HTTP_SERVICE_PORT_WEB` (for a port named `web`),
/// `LONGTAKE_HTTP_PORT=tcp://10.0.0.1:80`, and `LONGTAKE_HTTP_PORT_80_TCP` with `_PROTO`, `_PORT`
/// and `_ADDR`.
enum KubernetesVariable {
    private static let protocols = ["TCP", "UDP", "SCTP"]

    /// Whether Kubernetes sets a variable with this name and value. The value matters only for
    /// `…_PORT`, which may also be a setting.
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

    /// Whether the name ends with a text such as `_PORT_80_TCP` or `_PORT_80_TCP_ADDR`.
    private static func isPort(_ name: String) -> Bool {
        var words = name.split(separator: "_", omittingEmptySubsequences: false)
        if let last = words.last, ["PROTO", "PORT", "ADDR"].contains(last) { words.removeLast() }
        guard words.count >= 4, let last = words.popLast(), protocols.contains(String(last)),
            let number = words.popLast().flatMap({ Int($0) }), (1...65_535).contains(number)
        else { return false }
        return words.last == "PORT"
    }
}
