/// Where the value of a setting was set.
enum SettingsPlace: Hashable, Sendable {
    /// Nobody set it, so its default holds.
    case builtIn
    case file(String)
    case variable(String)
    case flag(String)

    /// What is wrong with the value that was set here.
    func mistake(_ key: String, _ reason: String) -> SettingsMistake {
        switch self {
        case .builtIn: SettingsMistake(source: "settings", key: key, reason: reason)
        case .file(let path): SettingsMistake(source: path, key: key, reason: reason)
        case .variable(let name): SettingsMistake(source: "environment", key: name, reason: reason)
        case .flag(let name): SettingsMistake(source: "command line", key: name, reason: reason)
        }
    }

    /// What the operator has to change, such as `--port`, `LONGTAKE_HTTP_PORT` or `http.port in /etc/longtake/longtake.yaml`.
    func described(_ key: String) -> String {
        switch self {
        case .builtIn: "\(key), the default"
        case .file(let path): "\(key) in \(path)"
        case .variable(let name), .flag(let name): name
        }
    }
}
