import FoundationEssentials
import LongtakeCore
import Yams

/// The settings in force, and the pipelines that go with them.
struct LoadedSettings: Sendable {
    let settings: Settings
    let catalog: PipelineCatalog
    /// The settings' file, `nil` where the built-in defaults run.
    let file: String?
    /// The pipelines' file, `nil` where the built-in ones serve.
    let pipelinesFile: String?
    /// Variables that look like settings and come from Kubernetes.
    let ignoredVariables: [String]
    private let places: [String: SettingsPlace]

    /// What the operator has to change to give a key another value.
    func place(of key: String) -> String { (places[key] ?? .builtIn).described(key) }

    /// Defaults, then the file, then the environment, then the flags.
    static func load(flags: SettingsOptions, environment: [String: String]) throws(SettingsMistake) -> LoadedSettings {
        var tree = SettingsTree()
        let file = flags.config ?? environment["LONGTAKE_CONFIG"]
        if let file {
            let place = flags.config == nil ? SettingsPlace.variable("LONGTAKE_CONFIG") : .flag("--config")
            let text = try read(file, "config", place, orElse: "leave it out to use the defaults")
            try tree.apply(file: file, text: text)
        }
        try tree.apply(environment: environment)
        try tree.apply(flag: "--host", "http.host", flags.host.isEmpty ? nil : flags.host.joined(separator: ","))
        try tree.apply(flag: "--port", "http.port", flags.port)
        try tree.apply(flag: "--unix-socket", "http.unix_socket", flags.unixSocket)
        try tree.apply(flag: "--allow-anonymous", "auth.allow_anonymous", flags.allowAnonymous ? true : nil)
        try tree.apply(flag: "--data", "storage.path", flags.data)
        try tree.apply(flag: "--speed", "simulation.speed", flags.speed)
        try tree.apply(flag: "--log-level", "log.level", flags.logLevel)
        try tree.settings.checkAccess(tree.place)
        let (catalog, pipelinesFile) = try pipelines(
            tree.settings.pipelines, beside: file, tree.place(of: "pipelines"))
        try tree.applyQueueVariables(catalog.definitions.flatMap { $0.stages.map(\.queue.description) })
        return LoadedSettings(
            settings: tree.settings, catalog: catalog, file: file, pipelinesFile: pipelinesFile,
            ignoredVariables: tree.ignoredVariables, places: tree.places)
    }

    /// A file that is named must be there; the default name may be missing, and then the built-in copy serves.
    private static func pipelines(
        _ name: String, beside file: String?, _ place: SettingsPlace
    ) throws(SettingsMistake) -> (PipelineCatalog, String?) {
        let folder = file.map {
            $0.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        }
        let path = name.hasPrefix("/") || folder == nil || folder == "" ? name : "\(folder ?? "")/\(name)"
        let isNamed = name != Settings().pipelines
        let isThere = (file != nil || isNamed) && FileManager.default.fileExists(atPath: path)
        guard isThere || isNamed else {
            return (try decode(BuiltInPipelines.text, source: "built-in pipelines"), nil)
        }
        let text = try read(path, "pipelines", place, orElse: "leave the setting out to use the built-in pipelines")
        return (try decode(text, source: path), path)
    }

    private static func decode(_ text: String, source: String) throws(SettingsMistake) -> PipelineCatalog {
        do {
            return try YAMLDecoder().decode(PipelineCatalog.self, from: text)
        } catch let error as DecodingError {
            let (path, reason) = error.place
            throw SettingsMistake(source: source, key: path, reason: reason)
        } catch {
            throw SettingsMistake(source: source, key: "", reason: "is not YAML: \(error)")
        }
    }

    /// - Parameters:
    ///   - key: the setting that names the file, and `place` where that was set.
    ///   - remedy: what the operator can do besides naming another file.
    private static func read(
        _ path: String, _ key: String, _ place: SettingsPlace, orElse remedy: String
    ) throws(SettingsMistake) -> String {
        let bytes: [UInt8]
        do throws(ReadableFile.Failure) {
            bytes = try ReadableFile.read(path)
        } catch {
            throw place.mistake(key, "\(error). Name a file that can be read, or \(remedy).")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsMistake(source: path, key: "", reason: "is not UTF-8")
        }
        return text
    }

    /// The queues that a pipeline uses and that have no workers, in order.
    var idleQueues: [QueueName] {
        let used = Set(catalog.definitions.flatMap { $0.stages.map(\.queue) })
        return used.filter { settings.queues[$0.description]?.workers ?? 0 == 0 }.sorted()
    }

    /// What is in force, as YAML that could be a settings' file, with where it comes from.
    func described() throws -> String {
        var lines = [
            "# settings: \(file ?? "built-in defaults"), environment, flags",
            "# pipelines: \(pipelinesFile ?? "built-in")",
        ]
        if !ignoredVariables.isEmpty {
            lines.append("# ignored variables of Kubernetes Services: \(ignoredVariables.joined(separator: " "))")
        }
        var section = ""
        for key in SettingsKey.all {
            let parts = key.name.split(separator: ".").map(String.init)
            if parts.count == 1 {
                lines.append("\(key.name): \(key.show(settings))")
            } else {
                if parts[0] != section { lines.append("\(parts[0]):") }
                lines.append("  \(parts[1]): \(key.show(settings))")
            }
            section = parts[0]
        }
        lines.append("queues:")
        lines += settings.queues.sorted { $0.key < $1.key }.map { "  \($0.key): {workers: \($0.value.workers)}" }
        for definition in catalog.definitions {
            let seconds = definition.stages.map(\.seconds).reduce(0, +)
            let mark = definition.name == catalog.defaultPipeline ? " (default)" : ""
            lines.append("# \(definition.name)\(mark): \(definition.stages.count) stages, \(Int(seconds)) s at speed 1")
        }
        lines += idleQueues.map { "# warning: queue \($0) has no workers, so jobs will wait there" }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension DecodingError {
    /// The path of keys, and the reason in a sentence.
    fileprivate var place: (path: String, reason: String) {
        func text(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".").replacing(
                ".[", with: "[")
        }
        switch self {
        case .keyNotFound(let key, let context):
            return (text(context.codingPath + [key]), "is missing")
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let cause = context.underlyingError.map { ": \($0)" } ?? ""
            return (text(context.codingPath), (context.debugDescription + cause).onOneLine)
        @unknown default:
            return ("", "\(self)")
        }
    }
}
