/// Where the daemon listens.
public enum ListenAddress: Hashable, Sendable {
    /// A host name or address, and a port; 0 for one that is free.
    case tcp(host: String, port: Int)
    /// The path of a Unix domain socket. A socket file that is left from before is replaced.
    case unix(path: String)
    /// A listening socket that was opened by whoever started the daemon (systemd's socket activation).
    case inherited(descriptor: CInt)
}
