/// A daemon under test: a child process (``DaemonProcess``), or its parts in the process of the
/// tests (`LocalDaemon`). Both speak HTTP over sockets, so a test differs only in the line that
/// makes its daemon.
package protocol TestDaemon: DaemonClient, Sendable {
    /// The port on 127.0.0.1.
    var port: Int { get }

    /// The lines that the daemon has logged so far.
    var log: String { get }

    /// Creates an API key, which the daemon accepts from here on.
    /// - Parameter rights: a list, separated by commas.
    /// - Returns: the text of the key.
    func createKey(tenant: String, rights: String) throws -> String

    /// Performs a graceful shutdown and waits for it.
    /// - Returns: 0 if all parts of the daemon have ended.
    func stop() -> CInt?
}

extension TestDaemon {
    /// A client with a new key.
    package func makeClient(tenant: String, rights: String = "read,submit") throws -> TestClient {
        TestClient(self, key: try createKey(tenant: tenant, rights: rights))
    }
}

/// A client of a daemon with its own header lines, such as a key or the origin of a web page.
package struct TestClient: DaemonClient {
    package let daemon: any TestDaemon
    package var fields: [String]
    /// The id of its key, which lists and log lines show.
    package private(set) var keyID: String?

    package init(_ daemon: any TestDaemon, fields: [String]) {
        self.daemon = daemon
        self.fields = fields
    }

    /// A client that sends `key` with each request.
    package init(_ daemon: any TestDaemon, key: String) {
        self.init(daemon, fields: ["Authorization: Bearer \(key)"])
        // `ltk_`, then the 12 digits of the id.
        keyID = String(key.dropFirst(4).prefix(12))
    }

    package func connect(receiveBuffer: CInt?) throws -> Socket { try daemon.connect(receiveBuffer: receiveBuffer) }
}
