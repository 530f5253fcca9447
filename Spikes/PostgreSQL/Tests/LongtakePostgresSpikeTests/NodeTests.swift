import LongtakeCore
import LongtakePostgresSpike
import LongtakeTesting
import Synchronization
import Testing

@Suite("nodes on PostgreSQL", .serialized, .timeLimit(.minutes(5)))
struct NodeTests {
    @Test("a node is told of another's events as a position, and of the jobs that it is to give up")
    func tails() async throws {
        try await withNodes { first, second in
            let (positions, canceling, ready) = (Seen<EventPosition>(), Seen<JobID>(), Seen<QueueName>())
            first.tail { if case .advanced(let position) = $0.news { positions.add(position) } }
            first.observeWork { work in
                for job in work.canceling { canceling.add(job) }
                for queue in work.readyQueues { ready.add(queue) }
            }
            let id = Samples.submission(1).id
            _ = try await second.submit(Samples.submission(1))
            #expect(await until { !positions.list.isEmpty && ready.list == [Samples.cpu] })
            let page = try await first.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
            #expect(page.head == positions.list.last)
            _ = try await first.claim(queue: Samples.cpu, limit: 1)
            _ = try await second.cancel(id, of: .anonymous)
            #expect(await until { canceling.list == [id] })
        }
    }

    @Test("a notice of own events names the position before them, and so shows what another node wrote between")
    func gaps() async throws {
        try await withNodes { first, second in
            let own = Seen<(after: EventPosition?, events: [EventPosition])>()
            first.tail { notice in
                if case .events(let events) = notice.news { own.add((notice.after, events.map(\.position))) }
            }
            _ = try await first.submit(Samples.submission(1))
            _ = try await second.submit(Samples.submission(2))
            _ = try await first.submit(Samples.submission(3))
            let feed = try await first.events(FeedQuery(tenant: .anonymous, after: .beforeFirst)).events.map(\.position)
            try #require(feed.count == 3 && own.list.count == 2)
            #expect(own.list[0].events == [feed[0]] && own.list[1].events == [feed[2]])
            #expect(own.list[1].after == feed[1])
        }
    }

    @Test("a retry is due at one time for all nodes, and any of them takes it")
    func retries() async throws {
        try await withNodes { first, second in
            _ = try await first.submit(Samples.submission(1))
            let claim = try #require(try await first.claim(queue: Samples.cpu, limit: 1).claims.first)
            let error = JobError(code: "stage_failed", message: "no luck", stage: claim.stage.name)
            _ = try await first.finish(claim, with: .retry(error: error, delay: .milliseconds(400)))
            let due = try await first.claim(queue: Samples.cpu, limit: 1).nextDue
            let other = try await second.claim(queue: Samples.cpu, limit: 1)
            #expect(due != nil && other == ClaimResult(claims: [], nextDue: due))
            let next = Mutex<Claim?>(nil)
            try await until {
                let claims = try await second.claim(queue: Samples.cpu, limit: 1).claims
                next.withLock { $0 = claims.first }
                return !claims.isEmpty
            }
            #expect(next.withLock { $0?.attempt } == 2)
        }
    }

    @Test("the outputs and the checkpoint of a stage go to the node that takes over")
    func handsOver() async throws {
        try await withNodes { first, second in
            _ = try await first.submit(Samples.submission(1))
            let frames = try #require(try await second.claim(queue: Samples.cpu, limit: 1).claims.first)
            _ = try await second.finish(frames, with: .succeeded(output: .string("192 frames")))
            let lost = try #require(try await second.claim(queue: Samples.gpu, limit: 1).claims.first)
            let report = StageReport(
                progress: Progress(0.25), message: "on", checkpoint: .object(["frame": .integer(7)]))
            #expect(try await second.report(report, for: lost) == .goOn)
            second.disconnect()
            #expect(try await first.declareGone(second.holder) == 1)
            let claim = try #require(try await first.claim(queue: Samples.gpu, limit: 1).claims.first)
            #expect(claim.checkpoint == Checkpoint(progress: Progress(0.25), data: .object(["frame": .integer(7)])))
            #expect(claim.outputs == [frames.stage.name: .string("192 frames")])
            #expect(try await first.finish(claim, with: .succeeded(output: .string("clip"))) == .succeeded)
            let job = try await first.job(claim.job, of: .anonymous)
            #expect(job?.output == .string("clip") && job?.stages.map(\.state) == [.succeeded, .succeeded])
        }
    }

    @Test("a server with another history draws a new epoch once, which the next connections find")
    func epochs() async throws {
        try await withDatabase { database in
            let first = try await PostgresNode.join(database)
            let before = try await first.jobs(JobQuery()).epoch
            first.disconnect()
            try Connection(database).run("UPDATE meta SET timeline = 'another'")
            try await withThrowingTaskGroup(of: Epoch.self) { group in
                for _ in 1...4 {
                    group.addTask {
                        let node = try await PostgresNode.join(database)
                        defer { node.disconnect() }
                        return try await node.jobs(JobQuery()).epoch
                    }
                }
                let epochs = try await group.reduce(into: Set<Epoch>()) { $0.insert($1) }
                #expect(epochs.count == 1 && !epochs.contains(before))
            }
        }
    }

    @Test("a server that crashes under load and returns has everything that was answered, once")
    func crashes() async throws {
        let cluster = try Cluster()
        try await withNodes(cluster: cluster) { first, second in
            let answered = Seen<JobID>()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 1...8 {
                    let node = worker.isMultiple(of: 2) ? first : second
                    group.addTask {
                        for number in 1...100 {
                            let submission = Samples.submission(worker * 1_000 + number, key: "\(worker)-\(number)")
                            guard case .created(let job) = try await node.submit(submission) else {
                                throw Cluster.Failed(description: "a batch was written twice")
                            }
                            answered.add(job.id)
                        }
                    }
                }
                group.addTask {
                    await until { answered.list.count >= 200 }
                    cluster.crash()
                    try cluster.start()
                }
                try await group.waitForAll()
            }
            #expect(answered.list.count == 800)
            var (feed, cursor) = ([JobID](), EventPosition.beforeFirst)
            while true {
                let page = try await first.events(FeedQuery(tenant: .anonymous, after: cursor))
                if page.events.isEmpty { break }
                feed += page.events.map(\.job)
                cursor = page.reached
            }
            #expect(feed.count == 800 && Set(feed) == Set(answered.list))
        }
        cluster.crash()
    }
}
