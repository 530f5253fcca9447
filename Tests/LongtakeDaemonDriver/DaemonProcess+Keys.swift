import Testing

extension DaemonProcess {
    /// Runs `longtake keys` for the key file of this daemon.
    package func keys(_ arguments: String...) throws -> (status: CInt, output: String) {
        try Self.run(["keys"] + arguments + ["--data", directory + "/data"])
    }

    /// Sends SIGHUP and waits until the reload of the keys has an effect.
    package func reloadKeys(until isDone: () throws -> Bool) throws {
        signal(1)
        let deadline = Deadline(20)
        while try !isDone() { try #require(!deadline.isOver, "the keys were not reloaded") }
    }

    package func createKey(tenant: String, rights: String) throws -> String {
        let (status, output) = try keys("create", "--tenant", tenant, "--rights", rights)
        try #require(status == 0, "\(output)")
        let key = String(try #require(output.split(separator: "\n").first { $0.hasPrefix("ltk_") }))
        let client = TestClient(self, key: key)
        // A known key without the right `admin` gets 403.
        try reloadKeys { try client.get("/v1/backups").status != 401 }
        return key
    }
}
