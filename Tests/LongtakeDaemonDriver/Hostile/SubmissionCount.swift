extension DaemonProcess {
    /// How many jobs were ever submitted, of a daemon that has no workers: then each is one event of the feed.
    package func submissions() throws -> Int {
        let list = try get("/v1/jobs?limit=1").object()
        guard let position = (list["last_event_id"] as? String)?.split(separator: "g").last, let count = Int(position)
        else { throw NoPosition() }
        return count
    }

    private struct NoPosition: Error {}
}
