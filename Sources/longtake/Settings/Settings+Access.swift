import LongtakeHTTP

extension Settings {
    /// Refuses what would let anybody in by mistake.
    func checkAccess() throws(SettingsMistake) {
        guard auth.mode == .none else { return }
        guard auth.allowAnonymous || ListenAddress.tcp(host: http.host, port: http.port).isLoopback else {
            throw SettingsMistake(
                source: "settings", key: "http.host",
                reason:
                    "\(http.host) can be reached from other machines, and nobody is asked for a key: set auth.mode to keys (longtake keys create), or say --allow-anonymous if whoever reaches it may do everything"
            )
        }
        guard !http.allowedHosts.contains("*") else {
            throw SettingsMistake(
                source: "settings", key: "http.allowed_hosts",
                reason:
                    "* would let every web page drive a daemon that asks nobody for a key, through a name that leads here: list the names, or set auth.mode to keys"
            )
        }
        // Any page can give itself the origin “null”, in a frame that is sandboxed.
        guard !http.corsOrigins.contains(where: { $0 == "*" || $0.lowercased() == "null" }) else {
            throw SettingsMistake(
                source: "settings", key: "http.cors_origins",
                reason:
                    "* and null would let every web page drive a daemon that asks nobody for a key: name the origins, or set auth.mode to keys"
            )
        }
    }
}
