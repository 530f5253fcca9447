import LongtakeDaemonDriver
import Testing

/// `GET /v1/queues`, and pausing queues.
@Suite struct QueueTests {
    @Test("lists the workers, running and waiting stages and the pause of each queue")
    func list() async throws {
        try await LocalDaemon.run(
            "--speed", "0.1", environment: ["LONGTAKE_QUEUES_CPU_WORKERS=1", "LONGTAKE_QUEUES_SPARE_WORKERS=0"]
        ) { daemon in
            let reader = try daemon.follow(try daemon.submit())
            while let block = try reader.next(), block.event != "stage.started" {}
            for _ in 1...2 { _ = try daemon.submit() }
            let answer = try daemon.get("/v1/queues")
            #expect(answer.status == 200)
            #expect(
                answer.body == """
                    {"queues":[\
                    {"name":"cpu","paused":false,"running":1,"waiting":2,"workers":1},\
                    {"name":"ffmpeg","paused":false,"running":0,"waiting":0,"workers":2},\
                    {"name":"gpu","paused":false,"running":0,"waiting":0,"workers":2},\
                    {"name":"io","paused":false,"running":0,"waiting":0,"workers":8},\
                    {"name":"spare","paused":false,"running":0,"waiting":0,"workers":0}]}

                    """)
            #expect(try daemon.request("POST", "/v1/queues")["allow"] == "GET, HEAD, OPTIONS")
        }
    }

    /// This test failed when a claim ignored the pause, and when a resume woke no dispatcher.
    @Test(
        "a paused queue starts no stage; running stages continue, and a resume takes effect at once")
    func pause() async throws {
        try await LocalDaemon.run(
            "--speed", "10000", environment: ["LONGTAKE_STREAM_HEARTBEAT_SECONDS=300"]
        ) { daemon in
            for _ in 1...2 {
                let answer = try daemon.request("POST", "/v1/queues/gpu/pause")
                #expect(answer.status == 200)
                #expect(
                    answer.body == #"{"name":"gpu","paused":true,"running":0,"waiting":0,"workers":2}"# + "\n")
            }
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            // The first stage is on another queue.
            while let block = try reader.next(), block.event != "stage.succeeded" {}
            let waiting = #"{"name":"gpu","paused":true,"running":0,"waiting":1,"workers":2}"#
            #expect(try daemon.get("/v1/queues").body.contains(waiting))
            let job = try daemon.get("/v1/jobs/\(id)").object()
            #expect(job["state"] as? String == "running" && job["queue_position"] as? Double == 0)

            let answer = try daemon.request("POST", "/v1/queues/gpu/resume")
            #expect(answer.status == 200 && answer.body.contains(#""paused":false"#))
            #expect(JobLog(try reader.rest(within: 20)).types.last == "job.succeeded")
            #expect(
                try daemon.request("POST", "/v1/queues/gpu/resume").status == 200, "a second resume changes nothing")
        }
    }

    @Test("returns 404 for a queue that no pipeline and no setting names")
    func unknown() async throws {
        try await LocalDaemon.run { daemon in
            for path in ["none/pause", "none/resume", "GPU/pause", "%00/pause"] {
                #expect(try daemon.request("POST", "/v1/queues/\(path)").status == 404, "\(path)")
            }
            let queues = try daemon.get("/v1/queues")
            #expect(!queues.body.contains("none"))
        }
    }
}
