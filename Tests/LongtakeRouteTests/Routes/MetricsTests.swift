import LongtakeDaemonDriver
import Testing

/// `GET /metrics`.
@Suite struct MetricsTests {
    // This test failed without the observer of commits.
    @Test("every metric exists from the start and changes by the right amount")
    func values() async throws {
        try await LocalDaemon.run("--speed", "10000") { daemon in
            let answer = try daemon.get("/metrics")
            #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let before = try Exposition(answer.body)
            #expect(before[#"longtake_jobs_finished_total{state="succeeded"}"#] == 0)
            #expect(before[#"longtake_events_committed_total{type="job.queued"}"#] == 0)
            #expect(before["longtake_commits_total"] == 0)
            #expect(before[#"longtake_http_requests_total{method="POST",code="201"}"#] == nil)

            var events = 0
            for _ in 1...3 { events += try daemon.wholeLog(of: daemon.submit()).lines.count }
            let failing = #"{"input":{"prompt":"a"},"simulation":{"fail_stage":"moderate","fatal":true}}"#
            events += try daemon.wholeLog(of: daemon.submit(failing)).lines.count
            let canceled = try daemon.submit(#"{"input":{"prompt":"a"},"simulation":{"speed":1}}"#)
            #expect(try daemon.request("POST", "/v1/jobs/\(canceled)/cancel").status < 300)
            events += try daemon.wholeLog(of: canceled).lines.count
            let after = try daemon.metrics()
            #expect(after[#"longtake_jobs_finished_total{state="succeeded"}"#] == 3)
            #expect(after[#"longtake_jobs_finished_total{state="failed"}"#] == 1)
            #expect(after[#"longtake_jobs_finished_total{state="canceled"}"#] == 1)
            #expect(after[#"longtake_events_committed_total{type="job.queued"}"#] == 5)
            #expect(after[#"longtake_events_committed_total{type="job.succeeded"}"#] == 3)
            let counts = after.values.filter { $0.key.hasPrefix("longtake_events_committed_total") }
            #expect(counts.count == 13 && counts.values.reduce(0, +) == Double(events), "each event is counted once")
            let commits = try #require(after["longtake_commits_total"])
            #expect(commits >= 5 && commits <= Double(events))
            #expect(after[#"longtake_http_requests_total{method="POST",code="201"}"#] == 5)
            // The five streams and the previous scrape.
            #expect(after[#"longtake_http_requests_total{method="GET",code="200"}"#] == 6)

            let version = try #require(try daemon.get("/healthz").object()["version"] as? String)
            #expect(after["longtake_build_info{version=\"\(version)\"}"] == 1)
            #expect(after["longtake_ready"] == 1)
            #expect(try #require(after["longtake_connections_open"]) >= 1)
            let start = try #require(after["process_start_time_seconds"])
            #expect(start > 1_700_000_000 && start == before["process_start_time_seconds"])
            #expect(try #require(after["process_cpu_seconds_total"]) > #require(before["process_cpu_seconds_total"]))
            #expect(try #require(after["process_resident_memory_bytes"]) > 1_000_000)
            // Not available before Linux 6.2.
            if let open = after["process_open_fds"] {
                #expect(try open > 10 && open < #require(after["process_max_fds"]))
            }
            for series in before.values.keys { #expect(after[series] != nil, "\(series)") }
        }
    }

    @Test("counts the bytes of uploads and downloads, and artifacts")
    func transfers() async throws {
        try await LocalDaemon.run { daemon in
            let before = try daemon.metrics()
            let names = ["upload_bytes_total", "download_bytes_total", "artifacts_created_total", "uploads_open"]
            for name in names { #expect(before["longtake_\(name)"] == 0, "\(name)") }
            for name in ["commands_running", "supervisors_lost_total"] { #expect(before["longtake_\(name)"] == 0) }
            let id = try daemon.connect().exchange(
                "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789"
            ).text("id")
            #expect(try daemon.get("/v1/files/\(id)/content", "Range: bytes=0-6").body == "0123456")
            let deadline = Deadline(20)
            while try daemon.metrics()["longtake_download_bytes_total"] != 7 { try #require(!deadline.isOver) }
            let after = try daemon.metrics()
            #expect(after["longtake_upload_bytes_total"] == 10 && after["longtake_uploads_open"] == 0)
        }
    }

    @Test("reports the current queues and streams")
    func gauges() async throws {
        try await LocalDaemon.run(
            "--speed", "0.1", environment: ["LONGTAKE_QUEUES_CPU_WORKERS=1", "LONGTAKE_QUEUES_SPARE_WORKERS=0"]
        ) { daemon in
            #expect(try daemon.metrics()["longtake_streams_open"] == 0)
            do {
                let reader = try daemon.follow(try daemon.submit())
                while let block = try reader.next(), block.event != "stage.started" {}
                for _ in 1...2 { _ = try daemon.submit() }
                #expect(try daemon.request("POST", "/v1/queues/spare/pause").status == 200)
                let metrics = try daemon.metrics()
                for (queue, workers, running, waiting, paused) in [
                    ("cpu", 1, 1, 2, 0), ("gpu", 2, 0, 0, 0), ("io", 8, 0, 0, 0), ("spare", 0, 0, 0, 1),
                ] {
                    let counts = ["workers", "running", "waiting", "paused"].map {
                        metrics["longtake_queue_\($0){queue=\"\(queue)\"}"].map { Int($0) }
                    }
                    #expect(counts == [workers, running, waiting, paused], "\(queue)")
                }
                #expect(metrics["longtake_streams_open"] == 1)
                #expect(try #require(metrics["longtake_connections_open"]) >= 2)
            }
            let deadline = Deadline(20)
            while try daemon.metrics()["longtake_streams_open"] != 0 { try #require(!deadline.isOver) }
        }
    }

    // This test failed when unknown method names became labels, and when rejections by the
    // connection were not counted.
    @Test("counts each response by method and status, and no client can create a new series")
    func requests() async throws {
        try await LocalDaemon.run { daemon in
            for path in ["/a", "/b", "/a?b=c"] { #expect(try daemon.get(path).status == 404) }
            #expect(try daemon.request("DELETE", "/v1/queues").status == 405)
            for method in ["BREW", "X\"y"] { #expect(try daemon.request(method, "/").status >= 400) }
            #expect(try daemon.connect().exchange("no HTTP\r\n\r\n").status == 400)
            _ = try daemon.request("HEAD", "/healthz")
            let metrics = try daemon.metrics()
            func count(_ method: String, _ code: Int) -> Double? {
                metrics["longtake_http_requests_total{method=\"\(method)\",code=\"\(code)\"}"]
            }
            #expect(count("GET", 404) == 3)
            #expect(count("DELETE", 405) == 1)
            #expect(count("HEAD", 200) == 1)
            #expect((count("other", 400) ?? 0) + (count("other", 501) ?? 0) == 3)
            #expect(!metrics.values.keys.contains { $0.contains("BREW") })
        }
    }

    // This test failed when each of them counted as a 503.
    @Test("does not count a wait whose client has disconnected as a response")
    func abandoned() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let id = try daemon.submit()
            for _ in 1...20 {
                let socket = try daemon.connect()
                socket.resetAtClose()
                try socket.send(
                    "GET /v1/jobs/\(id)/events?wait=50&after=1 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
                )
                // By then most requests wait.
                _ = try daemon.get("/healthz")
            }
            let deadline = Deadline(20)
            while try daemon.metrics()["longtake_connections_open"] != 1 { try #require(!deadline.isOver) }
            let metrics = try daemon.metrics()
            #expect(!metrics.values.keys.contains { $0.contains("code=\"5") }, "\(metrics.values)")
        }
    }

    // This test failed when the right “read” was enough, and when only the queues of the caller's
    // tenant were listed.
    @Test("requires the right “admin” with keys, and contains no tenant's name")
    func rights() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            #expect(try daemon.get("/metrics").status == 401)
            let acme = try daemon.makeClient(tenant: "acme")
            let ticket = try acme.ticket([acme.submit()])
            #expect(try daemon.get("/metrics?ticket=\(ticket)").status == 401)
            let refused = try acme.get("/metrics")
            #expect(refused.status == 403)
            #expect(refused["www-authenticate"]?.contains(#"scope="admin""#) == true)
            let answer = try daemon.makeClient(tenant: "ops", rights: "admin").get("/metrics")
            #expect(answer.status == 200)
            #expect(try Exposition(answer.body)[#"longtake_queue_waiting{queue="cpu"}"#] == 1)
            #expect(!answer.body.contains("acme"))
        }
    }
}
