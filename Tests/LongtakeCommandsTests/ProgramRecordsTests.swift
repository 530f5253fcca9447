import FoundationEssentials
import Glibc
import LongtakeTesting
import Testing

@testable import LongtakeCommands

@Suite struct ProgramRecordsTests {
    @Test("nothing is left one second after the daemon was killed")
    func daemonKilled() async throws {
        let bench = try ProgramBench()
        let script = "trap '' TERM HUP; setsid env -i sleep 1000 & sleep 1000 & touch ready; while :; do sleep 1; done"
        let daemon = try StandInDaemon(bench, launch: bench.launch(["sh", "-c", script]))
        #expect(await bench.waits(for: "ready"))
        let start = ContinuousClock.now
        daemon.kill()
        #expect(await until { bench.processes.isEmpty && bench.supervisor == nil })
        #expect(.now - start < .seconds(1))
    }

    @Test("a supervisor of another user protects itself", .enabled(if: getuid() == 0))
    func undumpable() async throws {
        let bench = try ProgramBench()
        for path in [bench.root, bench.data, bench.data + "/work", bench.work] { chown(path, 65534, 65534) }
        let daemon = try StandInDaemon(
            bench, launch: bench.launch(["sh", "-c", "touch ready; sleep 1000"]),
            wrapper: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        defer { daemon.kill() }
        #expect(await bench.waits(for: "ready"))
        var status = stat()
        // The files of an undumpable process belong to root (proc(5)).
        #expect(stat("/proc/\(try #require(bench.supervisor).pid)/environ", &status) == 0)
        #expect(status.st_uid == 0)
        let program = try #require(bench.processes.first)
        #expect(stat("/proc/\(program.pid)/environ", &status) == 0)
        #expect(status.st_uid == 65534)
    }

    @Test("kills what an earlier daemon and its supervisor have left")
    func leftovers() async throws {
        let bench = try ProgramBench()
        let daemon = try StandInDaemon(
            bench, launch: bench.launch(["sh", "-c", "env -i sleep 1000 & touch ready; sleep 1000"]))
        #expect(await bench.waits(for: "ready"))
        let supervisor = try #require(bench.supervisor)
        try bench.records.write(pid: supervisor.pid, startTime: supervisor.startTime, nonce: bench.nonce, cgroup: nil)
        supervisor.signal(SIGKILL)
        #expect(await until { bench.supervisor == nil })
        #expect(await until { bench.processes.count == 3 })
        daemon.kill()
        let leftovers = await bench.records.killLeftovers()
        #expect(leftovers == .init(programs: 1, killed: 3, left: 0))
        #expect(bench.processes.isEmpty)
        #expect(bench.recordNames == [])
    }

    @Test("kills a supervisor that hangs, after what it supervises")
    func hangingSupervisor() async throws {
        let bench = try ProgramBench()
        let daemon = try StandInDaemon(bench, launch: bench.launch(["sh", "-c", "touch ready; sleep 1000"]))
        #expect(await bench.waits(for: "ready"))
        let supervisor = try #require(bench.supervisor)
        try bench.records.write(pid: supervisor.pid, startTime: supervisor.startTime, nonce: bench.nonce, cgroup: nil)
        supervisor.signal(SIGSTOP)
        daemon.kill()
        #expect(await bench.records.killLeftovers().left == 0)
        #expect(bench.processes.isEmpty)
        #expect(bench.supervisor == nil)
    }

    @Test("kills nothing for a record of an earlier boot, or without a record")
    func others() async throws {
        let bench = try ProgramBench()
        let pid = try StandInDaemon.spawn(["/bin/sleep", "1000"], environment: ["LONGTAKE_NONCE=\(bench.nonce)"])
        let daemon = ProgramRecords(directory: bench.data + "/commands", bootID: "earlier")
        try daemon.write(pid: pid, startTime: 1, nonce: bench.nonce, cgroup: nil)
        try bench.records.write(pid: pid, startTime: 1, nonce: "other", cgroup: nil)
        #expect(await bench.records.killLeftovers() == .init(programs: 2, killed: 0, left: 0))
        #expect(waitpid(pid, nil, WNOHANG) == 0)
        #expect(bench.recordNames == [])
        // A torn record still has its nonce.
        try Data("{".utf8).write(to: URL(filePath: "\(bench.data)/commands/\(bench.nonce).json"))
        #expect(await bench.records.killLeftovers() == .init(programs: 1, killed: 1, left: 0))
        #expect(waitpid(pid, nil, 0) == pid)
    }

    @Test("a missing directory has no leftovers")
    func none() async throws {
        #expect(await ProgramRecords(directory: "/no/such").killLeftovers() == .init())
    }
}
