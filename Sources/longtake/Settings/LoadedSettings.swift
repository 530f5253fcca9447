import FoundationEssentials
import LongtakeCore
import Yams

/// The settings in force and the pipelines.
struct LoadedSettings: Sendable {
    let settings: Settings
    let catalog: PipelineCatalog
    /// The settings file; `nil` if there is none.
    let file: String?
    /// The file of the pipelines; `nil` for the built-in pipelines.
    let pipelinesFile: String?
    /// Variables that look like settings but were set by Kubernetes.
    let ignoredVariables: [String]
    /// The programs of command stages that the daemon does not find.
    let missingPrograms: [MissingProgram]
    private let sources: [String: SettingSource]

    /// What the operator has to change to set another value, for example `--port`.
    func source(of key: String) -> String { (sources[key] ?? .builtIn).described(key) }

    /// The error of a setting that has a wrong value.
    func error(_ key: String, _ reason: String) -> SettingsError {
        (sources[key] ?? .builtIn).error(key, reason)
    }

    /// Loads the settings from the defaults, the file, the environment and the flags. Later sources
    /// override earlier ones.
    static func load(flags: SettingsOptions, environment: [String: String]) throws(SettingsError) -> LoadedSettings {
        var tree = SettingsTree()
        let file = flags.config ?? environment["LONGTAKE_CONFIG"]
        if let file {
            let source = flags.config == nil ? SettingSource.variable("LONGTAKE_CONFIG") : .flag("--config")
            let text = try read(file, "config", source, orElse: "omit it to use the defaults")
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
        try tree.settings.checkAccess(tree.source)
        let (catalog, pipelinesFile) = try pipelines(
            tree.settings.pipelines, beside: file, tree.source(of: "pipelines"))
        try tree.applyQueueVariables(catalog.definitions.flatMap { $0.stages.map(\.queue.description) })
        return LoadedSettings(
            settings: tree.settings, catalog: catalog, file: file, pipelinesFile: pipelinesFile,
            ignoredVariables: tree.ignoredVariables,
            missingPrograms: MissingProgram.all(in: catalog, searchPath: environment["PATH"] ?? ""),
            sources: tree.sources)
    }

    /// Loads the pipelines. A file that a source names must exist. If the default file does not
    /// exist, the built-in copy is used.
    private static func pipelines(
        _ name: String, beside file: String?, _ source: SettingSource
    ) throws(SettingsError) -> (PipelineCatalog, String?) {
        let folder = file.map {
            $0.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        }
        let path = name.hasPrefix("/") || folder == nil || folder == "" ? name : "\(folder ?? "")/\(name)"
        let isNamed = name != Settings().pipelines
        let exists = (file != nil || isNamed) && FileManager.default.fileExists(atPath: path)
        guard exists || isNamed else {
            return (try decode(builtInPipelines, location: "built-in pipelines"), nil)
        }
        let text = try read(path, "pipelines", source, orElse: "omit the setting to use the built-in pipelines")
        // Programs run in other directories, so the folder must be absolute.
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        let catalogFolder = absolute.split(separator: "/").dropLast().joined(separator: "/")
        return (try decode(text, location: path).resolvingPaths(in: "/" + catalogFolder), path)
    }

    /// The copy of `config/pipelines.yaml` in the executable, for a daemon without files.
    private static let builtInPipelines = String(decoding: PackageResources.pipelines_yaml, as: UTF8.self)

    private static func decode(_ text: String, location: String) throws(SettingsError) -> PipelineCatalog {
        do {
            return try YAMLDecoder().decode(PipelineCatalog.self, from: text)
        } catch let error as DecodingError {
            let (path, reason) = error.pathAndReason
            throw SettingsError(location: location, key: path, reason: reason)
        } catch {
            throw SettingsError(location: location, key: "", reason: "is not valid YAML: \(error)")
        }
    }

    /// - Parameters:
    ///   - key: the setting that names the file. `source` is where it was set.
    ///   - remedy: what the operator can do instead of choosing another file.
    private static func read(
        _ path: String, _ key: String, _ source: SettingSource, orElse remedy: String
    ) throws(SettingsError) -> String {
        let bytes: [UInt8]
        do throws(ReadableFile.Failure) {
            bytes = try ReadableFile.read(path)
        } catch {
            throw source.error(key, "\(error). Choose a file that can be read, or \(remedy).")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError(location: path, key: "", reason: "is not valid UTF-8")
        }
        return text
    }

    /// The queues that a pipeline uses and that have no workers, sorted.
    var idleQueues: [QueueName] {
        let used = Set(catalog.definitions.flatMap { $0.stages.map(\.queue) })
        return used.filter { settings.queues[$0.description]?.workers ?? 0 == 0 }.sorted()
    }

    /// The settings in force as a valid settings file, with comments that name the sources.
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
            lines += definition.stages.compactMap(\.commandLine)
        }
        lines += missingPrograms.map { "# warning: \($0)" }
        lines += idleQueues.map { "# warning: queue \($0) has no workers, so its jobs will wait" }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension DecodingError {
    /// The path of the key and the reason of the error.
    fileprivate var pathAndReason: (path: String, reason: String) {
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
