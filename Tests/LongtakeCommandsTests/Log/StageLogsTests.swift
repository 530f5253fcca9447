import Glibc
import Logging
import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("stage logs")
struct StageLogsTests {
    private let scratch = CommandStage()
    private let job = CommandStage.job
    private let stage = CommandStage.name

    private func logs(limit: Int64 = 1_000) -> StageLogs {
        StageLogs(
            directory: scratch.root + "/logs", limit: limit,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func text(_ logs: StageLogs, from offset: Int64 = 0, limit: Int = 1 << 20) async -> String {
        String(
            decoding: await logs.read(job: job, stage: stage, from: offset, limit: limit)?.bytes ?? [], as: UTF8.self)
    }

    @Test("returns what was appended, from any offset and up to a limit")
    func readParts() async {
        let logs = logs()
        await logs.begin(job: job, stage: stage, attempt: 1)
        await logs.append(Array("one\n".utf8), job: job, stage: stage)
        await logs.append(Array("two\n".utf8), job: job, stage: stage)
        #expect(await text(logs) == "one\ntwo\n")
        #expect(await text(logs, from: 4, limit: 2) == "tw")
        let end = await logs.read(job: job, stage: stage, from: 99, limit: 10)
        #expect(end == .init(bytes: [], offset: 8, kept: 0..<8, attempt: 1, isEnded: false))
        await logs.end(job: job, stage: stage, attempt: 1)
        #expect(await logs.read(job: job, stage: stage, limit: 10)?.isEnded == true)
    }

    @Test("drops its oldest text beyond the limit, says so, and keeps all offsets")
    func bounded() async throws {
        let logs = logs()
        await logs.begin(job: job, stage: stage, attempt: 1)
        var all: [UInt8] = []
        for number in 1_000..<1_400 {
            let line = Array("line \(number)\n".utf8)
            all += line
            await logs.append(line, job: job, stage: stage)
        }
        let kept = try #require(await logs.read(job: job, stage: stage, limit: 1 << 20))
        #expect(kept.kept.upperBound == Int64(all.count) && kept.offset == kept.kept.lowerBound)
        #expect(kept.bytes.count <= 1_000 && kept.bytes.count >= 400)
        let lines = String(decoding: kept.bytes, as: UTF8.self).split(separator: "\n")
        #expect(lines.first?.hasPrefix("[\(kept.offset) bytes of older output were dropped]") == true)
        let rest = kept.bytes.drop { $0 != 0x0a }
        #expect(Array(rest) == Array(all.suffix(rest.count)))
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("line 1") && $0.utf8.count == 9 })
        #expect(DirectoryTree.names(in: scratch.root + "/logs/\(job)/\(stage)").count <= 2)
    }

    @Test("goes on after a restart of the daemon, and begins anew with the next attempt")
    func restart() async {
        let first = logs()
        await first.begin(job: job, stage: stage, attempt: 1)
        await first.append(Array("before\n".utf8), job: job, stage: stage)
        let second = logs()
        #expect(await text(second) == "before\n")
        await second.begin(job: job, stage: stage, attempt: 1)
        await second.append(Array("after\n".utf8), job: job, stage: stage)
        #expect(await text(second) == "before\nafter\n")
        await second.begin(job: job, stage: stage, attempt: 2)
        await second.append(Array("new\n".utf8), job: job, stage: stage)
        #expect(await second.read(job: job, stage: stage, limit: 99)?.attempt == 2)
        #expect(await text(second) == "new\n")
    }

    @Test("tells its observers of growth, and of the end")
    func observe() async {
        let logs = logs()
        await logs.begin(job: job, stage: stage, attempt: 1)
        var events = await logs.observe(job: job, stage: stage).makeAsyncIterator()
        #expect(await events.next() != nil)
        await logs.append(Array("a\n".utf8), job: job, stage: stage)
        #expect(await events.next() != nil)
        await logs.end(job: job, stage: stage, attempt: 1)
        #expect(await events.next() == nil)
        var late = await logs.observe(job: job, stage: stage).makeAsyncIterator()
        #expect(await late.next() != nil)
        #expect(await late.next() == nil)
    }

    @Test("tells an observer that awaits it of the beginning")
    func observeBeginning() async {
        let logs = logs()
        var events = await logs.observe(job: job, stage: stage, awaitsBegin: true).makeAsyncIterator()
        #expect(await events.next() != nil)
        await logs.begin(job: job, stage: stage, attempt: 1)
        #expect(await events.next() != nil)
        await logs.end(job: job, stage: stage, attempt: 1)
        #expect(await events.next() == nil)
    }

    @Test("is removed with its job")
    func removed() async {
        let logs = logs()
        await logs.begin(job: job, stage: stage, attempt: 1)
        await logs.append(Array("a\n".utf8), job: job, stage: stage)
        #expect(await logs.jobs() == [job])
        await logs.remove(job: job)
        #expect(await logs.read(job: job, stage: stage, limit: 9) == nil)
        #expect(await logs.jobs().isEmpty)
    }

    @Test("no log keeps a descriptor open")
    func descriptors() async {
        let logs = logs()
        for number in 10..<40 {
            let name = StageName(unchecked: "s\(number)")
            await logs.begin(job: job, stage: name, attempt: 1)
            await logs.append(Array("a\n".utf8), job: job, stage: name)
        }
        let path = scratch.root + "/logs"
        let links = DirectoryTree.names(in: "/proc/self/fd").filter { descriptor in
            var target = [CChar](repeating: 0, count: 4_096)
            let count = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
            return count > 0
                && String(decoding: target.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self).hasPrefix(path)
        }
        #expect(links.isEmpty)
    }
}
