import LongtakeCore
import Yams

/// Settings as a tree of keys, into which the file, the environment and the flags are laid one over the other.
///
/// Every scalar is listed once, in ``SettingsKey``; so a key that is not listed is unknown wherever it stands.
struct SettingsTree {
    private(set) var settings = Settings()

    /// Takes the keys of a YAML file. An empty file is one without keys.
    mutating func apply(file path: String, text: String) throws(SettingsMistake) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw SettingsMistake(source: path, key: "", reason: "is not YAML: \("\(error)".onOneLine)")
        }
        guard let root, root != Node("") else { return }
        try apply(root, at: [], source: path)
    }

    private mutating func apply(_ node: Node, at path: [String], source: String) throws(SettingsMistake) {
        let key = path.joined(separator: ".")
        if case .sequence(let items) = node, SettingsKey.find(key)?.isList == true {
            let texts = items.compactMap { $0.scalar?.string }
            guard texts.count == items.count, !texts.contains(where: { $0.contains(",") }) else {
                throw SettingsMistake(source: source, key: key, reason: "must be a list of texts")
            }
            return try set(key, texts.joined(separator: ","), source: source)
        }
        guard case .mapping(let mapping) = node else {
            let text = node.scalar.map { $0.string }
            guard let text, !key.isEmpty else {
                throw SettingsMistake(
                    source: source, key: key, reason: "must be \(key.isEmpty ? "a map of settings" : "one value")")
            }
            return try set(key, text, source: source)
        }
        if !key.isEmpty, SettingsKey.find(key) != nil {
            throw SettingsMistake(source: source, key: key, reason: "must be one value")
        }
        if path == ["queues"] { settings.queues = [:] }
        var seen: Set<String> = []
        for (name, value) in mapping {
            guard let name = name.string else {
                throw SettingsMistake(source: source, key: key, reason: "has a key that is no text")
            }
            guard seen.insert(name).inserted else {
                throw SettingsMistake(
                    source: source, key: (path + [name]).joined(separator: "."), reason: "stands there twice")
            }
            guard SettingsKey.isPrefix(path + [name]) else {
                throw SettingsMistake(
                    source: source, key: (path + [name]).joined(separator: "."),
                    reason: "unknown key; known are \(SettingsKey.names(under: path).joined(separator: ", "))")
            }
            try apply(value, at: path + [name], source: source)
        }
    }

    /// Takes variables such as `LONGTAKE_HTTP_PORT`. One that begins so and names no setting is a mistake.
    mutating func apply(environment: [String: String]) throws(SettingsMistake) {
        let others: Set<String> = ["LONGTAKE_CONFIG"]
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("LONGTAKE_") && !others.contains(name) {
            let words = name.dropFirst("LONGTAKE_".count).lowercased()
            guard let key = SettingsKey.find(variable: words) else {
                throw SettingsMistake(source: "environment", key: name, reason: "names no setting")
            }
            do throws(SettingsMistake) {
                try set(key, value, source: "environment")
            } catch {
                throw SettingsMistake(source: "environment", key: name, reason: error.reason)
            }
        }
    }

    /// Takes a flag.
    mutating func apply(flag: String, _ key: String, _ value: (some CustomStringConvertible)?) throws(SettingsMistake) {
        guard let value else { return }
        do throws(SettingsMistake) {
            try set(key, "\(value)", source: "command line")
        } catch {
            throw SettingsMistake(source: "command line", key: flag, reason: error.reason)
        }
    }

    private mutating func set(_ key: String, _ text: String, source: String) throws(SettingsMistake) {
        if let name = SettingsKey.queue(in: key) {
            guard QueueName(name) != nil else {
                throw SettingsMistake(
                    source: source, key: key, reason: "a queue's name has 1 to 64 characters of a-z, 0-9, '-' and '_'")
            }
            guard let workers = Int(text), (0...Limits.workersPerQueue).contains(workers) else {
                throw SettingsMistake(
                    source: source, key: key,
                    reason: "must be a whole number from 0 to \(Limits.workersPerQueue), not “\(text)”")
            }
            settings.queues[name] = Settings.Queue(workers: workers)
            return
        }
        guard let entry = SettingsKey.find(key) else {
            throw SettingsMistake(source: source, key: key, reason: "must be a map of settings, not one value")
        }
        guard entry.read(text, &settings) else {
            throw SettingsMistake(source: source, key: key, reason: "must be \(entry.rule), not “\(text)”")
        }
    }
}

extension String {
    /// The text with every run of white space, line ends included, as one space: a mistake is told on one line.
    var onOneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
