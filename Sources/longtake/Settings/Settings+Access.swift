import LongtakeHTTP

extension Settings {
    /// Refuses what would let anybody in by mistake.
    /// - Parameter place: where a key was set.
    func checkAccess(_ place: (String) -> SettingsPlace) throws(SettingsMistake) {
        guard auth.mode == .none else { return }
        let open = http.hosts.first { !ListenAddress.tcp(host: $0, port: http.port).isLoopback }
        if let open, !auth.allowAnonymous {
            throw place("http.host").mistake(
                "http.host",
                "\(open) can be reached from other machines, and nobody is asked for a key: set auth.mode to keys (longtake keys create), or say --allow-anonymous if whoever reaches it may do everything"
            )
        }
        guard !http.allowedHosts.contains("*") else {
            throw place("http.allowed_hosts").mistake(
                "http.allowed_hosts",
                "* would let every web page drive a daemon that asks nobody for a key, through a name that leads here: list the names, or set auth.mode to keys"
            )
        }
        // Any page can give itself the origin “null”, in a frame that is sandboxed.
        guard !http.corsOrigins.contains(where: { $0 == "*" || $0.lowercased() == "null" }) else {
            throw place("http.cors_origins").mistake(
                "http.cors_origins",
                "* and null would let every web page drive a daemon that asks nobody for a key: name the origins, or set auth.mode to keys"
            )
        }
    }
}
