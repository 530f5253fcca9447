import LongtakeCore
import Yams

/// Settings as a tree of keys, into which the file, the environment and the flags are laid one over the other.
///
/// Every scalar is listed once, in ``SettingsKey``; so a key that is not listed is unknown wherever it stands.
struct SettingsTree {
    private(set) var settings = Settings()
    /// Where each key that somebody set has its value from.
    private(set) var places: [String: SettingsPlace] = [:]
    /// The variables that ``KubernetesVariable`` ignores, in order.
    private(set) var ignoredVariables: [String] = []
    /// Variables such as `LONGTAKE_QUEUES_GPU_WORKERS`, whose queue ``applyQueueVariables(_:)`` finds out.
    private var queueVariables: [(name: String, queue: String, value: String)] = []

    func place(of key: String) -> SettingsPlace { places[key] ?? .builtIn }

    /// Takes the keys of a YAML file. An empty file is one without keys.
    mutating func apply(file path: String, text: String) throws(SettingsMistake) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw SettingsMistake(source: path, key: "", reason: "is not YAML: \(error.yamlReason)")
        }
        guard let root, root != Node("") else { return }
        try apply(root, at: [], from: .file(path))
    }

    private mutating func apply(_ node: Node, at path: [String], from place: SettingsPlace) throws(SettingsMistake) {
        let key = path.joined(separator: ".")
        if case .sequence(let items) = node, SettingsKey.find(key)?.isList == true {
            let texts = items.compactMap { $0.scalar?.string }
            guard texts.count == items.count, !texts.contains(where: { $0.contains(",") || $0.isEmpty }) else {
                throw place.mistake(key, "must be a list of texts")
            }
            return try set(key, texts.joined(separator: ","), from: place)
        }
        guard case .mapping(let mapping) = node else {
            let text = node.scalar.map { $0.string }
            guard let text, !key.isEmpty else {
                throw place.mistake(key, "must be \(key.isEmpty ? "a map of settings" : "one value")")
            }
            return try set(key, text, from: place)
        }
        if !key.isEmpty, SettingsKey.find(key) != nil { throw place.mistake(key, "must be one value") }
        if path == ["queues"] { settings.queues = [:] }
        var seen: Set<String> = []
        for (name, value) in mapping {
            guard let name = name.string else { throw place.mistake(key, "has a key that is no text") }
            let child = (path + [name]).joined(separator: ".")
            guard seen.insert(name).inserted else { throw place.mistake(child, "stands there twice") }
            guard SettingsKey.isPrefix(path + [name]) else {
                throw place.mistake(
                    child, "unknown key; known are \(SettingsKey.names(under: path).joined(separator: ", "))")
            }
            try apply(value, at: path + [name], from: place)
        }
    }

    /// Takes variables such as `LONGTAKE_HTTP_PORT`. One that begins so and names no setting is a mistake, unless Kubernetes set it.
    mutating func apply(environment: [String: String]) throws(SettingsMistake) {
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
                throw SettingsPlace.variable(name).mistake(
                    name, "names no setting. Remove it, or correct its name; config/longtake.yaml lists all settings.")
            }
        }
    }

    /// Takes the variables that set the workers of a queue. A variable's name cannot contain `-`, so `GPU_A100` also names `gpu-a100`.
    /// - Parameter used: the queues of the pipelines. They may have no workers yet.
    mutating func applyQueueVariables(_ used: some Sequence<String>) throws(SettingsMistake) {
        let known = Set(used).union(settings.queues.keys)
        for (name, queue, value) in queueVariables {
            let meant = known.filter { $0.replacing("-", with: "_") == queue }.sorted()
            guard meant.count <= 1 else {
                throw SettingsPlace.variable(name).mistake(
                    name,
                    "may mean each of the queues \(meant.joined(separator: ", ")). Set their workers in the settings file."
                )
            }
            try set("queues.\(meant.first ?? queue).workers", value, from: .variable(name))
        }
    }

    /// Takes a flag.
    mutating func apply(flag: String, _ key: String, _ value: (some CustomStringConvertible)?) throws(SettingsMistake) {
        guard let value else { return }
        try set(key, "\(value)", from: .flag(flag))
    }

    private mutating func set(_ key: String, _ text: String, from place: SettingsPlace) throws(SettingsMistake) {
        if let name = SettingsKey.queue(in: key) {
            guard QueueName(name) != nil else {
                throw place.mistake(key, "a queue's name has 1 to 64 characters of a-z, 0-9, '-' and '_'")
            }
            guard let workers = Int(text), (0...Limits.workersPerQueue).contains(workers) else {
                throw place.mistake(key, "must be a whole number from 0 to \(Limits.workersPerQueue), not “\(text)”")
            }
            settings.queues[name] = Settings.Queue(workers: workers)
            return
        }
        guard let entry = SettingsKey.find(key) else {
            throw place.mistake(key, "must be a map of settings, not one value")
        }
        guard entry.read(text, &settings) else {
            throw place.mistake(key, entry.advice(text) ?? "must be \(entry.rule), not “\(text)”")
        }
        places[key] = place
    }
}

extension Error {
    /// Why a text is not YAML, with the place, on one line.
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
    /// The text with every run of white space, line ends included, as one space: a mistake is told on one line.
    var onOneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
