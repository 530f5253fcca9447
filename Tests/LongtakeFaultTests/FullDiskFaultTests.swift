import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// F4 on a file system that is really full. On the full disk, the released reserve has space
    /// for the commands that end work. In half of the rounds the test also fills this space. In
    /// half of the rounds it kills the daemon and starts it without a free byte.
    ///
    /// This test failed when the reserve was not released (`DiskReserve`): a cancel got 503, and
    /// its job never ended (O7, O4). It also failed when the daemon sent responses before COMMIT
    /// (`GroupCommitWriter`): a job that had got 201 got 404 later (O1, O8).
    @Test(
        "F4: a file system that is filled completely and freed, several times, loses no acknowledged data",
        .tags(.slow), .enabled(if: !SmallDisk.Kind.available.isEmpty), arguments: SmallDisk.Kind.available)
    func fullFileSystem(kind: SmallDisk.Kind) async throws {
        var campaign = Campaign("F4 on \(kind)", rounds: 4)
        campaign.disk = (kind, megabytes: 24)
        campaign.pause = 300
        try await campaign.run { site in
            let disk = try #require(site.disk)
            site.rest(100...600)
            let job = try site.submitEndless()
            site.fill(disk)
            site.injections += 1
            site.expectRejection()
            try site.checkCancel(of: job)
            if site.generator.percent(50) {
                // Fills the space again that the daemon's checkpoints free.
                for _ in 0..<10 {
                    disk.fill()
                    site.rest(20...90)
                }
                site.expectRejection()
            }
            var begin: Timestamp?
            if site.generator.percent(50) {
                site.kill()
                disk.fill()
                begin = .now
                try site.daemon.startWithoutWaiting()
                site.expect("the daemon serves the stored job") {
                    try site.daemon.get("/v1/jobs/\(job)").status == 200
                }
                if try site.daemon.get("/readyz").status != 503 {
                    site.history.violated(.honesty, "the daemon is ready, but it cannot write")
                }
                site.rest(0...300)
            }
            disk.makeRoom()
            site.expect("the daemon is ready when the disk has space") {
                try site.daemon.get("/readyz").status == 200
            }
            if let begin { site.checker.checkOwners(since: begin) }
        }
    }
}

extension Campaign.Site {
    /// Fills the disk until the daemon reports that it is full.
    fileprivate func fill(_ disk: SmallDisk) {
        expect("readyz reports the full disk") {
            disk.fill()
            return try daemon.get("/readyz").status == 503
        }
        // Leaves the space that the daemon released from its reserve meanwhile.
        if reserveBytes == 0 { disk.leave(3 << 20) }
    }

    /// The space that the reserve uses on the disk.
    private var reserveBytes: Int {
        var information = stat()
        return stat(daemon.directory + "/data/longtake.reserve", &information) == 0
            ? Int(information.st_blocks) * 512 : 0
    }

    /// Checks that a submission gets 503 with `Retry-After`.
    fileprivate func expectRejection() {
        let answer = try? daemon.post("/v1/jobs", #"{"input":{"prompt":"no space, round \#(round)"}}"#, within: 10)
        if answer?.status != 503 || answer?["retry-after"] == nil {
            history.violated(.honesty, "a submission on a full disk got \(answer?.status ?? 0)")
        }
    }

    /// Submits a job that takes longer than any round. Only the feed follows it.
    fileprivate func submitEndless() throws -> String {
        let body = #"{"input":{"prompt":"endless, round \#(round)"},"simulation":{"speed":0.5}}"#
        return try #require(try daemon.post("/v1/jobs", body, within: 10).object()["id"] as? String)
    }

    /// Checks that a client can cancel the job while the disk is full.
    fileprivate func checkCancel(of job: String) throws {
        let answer = try daemon.post("/v1/jobs/\(job)/cancel", within: 20)
        if answer.status != 202, answer.status != 200 {
            history.violated(.honesty, "a cancel on a full disk got \(answer.status)")
        }
        expect("\(job) is canceled on a full disk with \(disk?.free ?? 0) free bytes") {
            try daemon.get("/v1/jobs/\(job)").object()["state"] as? String == "canceled"
        }
    }

    /// Checks that the condition holds within 20 s.
    fileprivate func expect(_ what: String, _ condition: () throws -> Bool) {
        let deadline = Deadline(20)
        while (try? condition()) != true {
            if deadline.isOver { return history.violated(.progress, "not within 20 s: \(what)") }
            poll(nil, 0, 20)
        }
    }
}
