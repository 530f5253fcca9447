import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// F4, on a file system that is really full. At the brim the reserve takes what ends work; half of the time its room is taken too, and half
    /// of the time the daemon is killed there and starts without a byte to write. Seen to fail with the reserve not given up (DiskReserve): a
    /// cancel was answered with 503, and its job never ended, O7 and O4. And with answers before COMMIT (GroupCommitWriter): a job that was
    /// answered with 201 was answered with 404 afterwards, O1 and O8.
    @Test(
        "F4: a small file system is filled to the brim and freed, over and over: nothing told is lost", .tags(.slow),
        .enabled(if: !SmallDisk.Kind.available.isEmpty), arguments: SmallDisk.Kind.available)
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
            site.expectRefusal()
            try site.checkCancel(of: job)
            if site.generator.percent(50) {
                // What the daemon frees by folding its log in is taken, too.
                for _ in 0..<10 {
                    disk.fill()
                    site.rest(20...90)
                }
                site.expectRefusal()
            }
            var begin: Timestamp?
            if site.generator.percent(50) {
                site.kill()
                disk.fill()
                begin = .now
                try site.daemon.startWithoutWaiting()
                site.expect("it serves what is there") { try site.daemon.get("/v1/jobs/\(job)").status == 200 }
                if try site.daemon.get("/readyz").status != 503 {
                    site.history.violated(.honesty, "it is ready where it can write nothing")
                }
                site.rest(0...300)
            }
            disk.makeRoom()
            site.expect("there is room, and it says so") { try site.daemon.get("/readyz").status == 200 }
            if let begin { site.checker.checkOwners(since: begin) }
        }
    }
}

extension Campaign.Site {
    /// Fills the disk until the daemon says that it is full.
    fileprivate func fill(_ disk: SmallDisk) {
        expect("it says that the disk is full") {
            disk.fill()
            return try daemon.get("/readyz").status == 503
        }
        // What it gave up while the disk was being filled is its own, and not to be taken, too.
        if reserveBytes == 0 { disk.leave(3 << 20) }
    }

    /// What the reserve takes of the disk.
    private var reserveBytes: Int {
        var information = stat()
        return stat(daemon.directory + "/data/longtake.reserve", &information) == 0
            ? Int(information.st_blocks) * 512 : 0
    }

    /// That new work is refused, with a time to come back.
    fileprivate func expectRefusal() {
        let answer = try? daemon.post("/v1/jobs", #"{"input":{"prompt":"no room, round \#(round)"}}"#, nil)
        if answer?.status != 503 || answer?["retry-after"] == nil {
            history.violated(.honesty, "a submission to a full disk was answered with \(answer?.status ?? 0)")
        }
    }

    /// A job that takes longer than any round. Nobody follows it but the feed.
    fileprivate func submitEndless() throws -> String {
        let body = #"{"input":{"prompt":"endless, round \#(round)"},"simulation":{"speed":0.5}}"#
        return try #require(try daemon.post("/v1/jobs", body, nil).object()["id"] as? String)
    }

    /// While the disk is full a job can be ended.
    fileprivate func checkCancel(of job: String) throws {
        let answer = try daemon.post("/v1/jobs/\(job)/cancel", "", nil, within: 20)
        if answer.status != 202, answer.status != 200 {
            history.violated(.honesty, "a cancel on a full disk was answered with \(answer.status)")
        }
        expect("\(job) ends on a full disk, \(disk?.free ?? 0) bytes free") {
            try daemon.get("/v1/jobs/\(job)").object()["state"] as? String == "canceled"
        }
    }

    /// That something holds within 20 s.
    fileprivate func expect(_ what: String, _ condition: () throws -> Bool) {
        let deadline = Deadline(20)
        while (try? condition()) != true {
            if deadline.isOver { return history.violated(.goesOn, "not within 20 s: \(what)") }
            poll(nil, 0, 20)
        }
    }
}
