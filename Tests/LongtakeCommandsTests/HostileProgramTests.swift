import FoundationEssentials
import Glibc
import Logging
import LongtakeTesting
import Testing

@testable import LongtakeCommands

/// Programs that try to outlive their end.
@Suite struct HostileProgramTests {
    /// Starts a grandchild with its own session, without variables, that ignores SIGTERM and has closed its
    /// streams. It goes on when the file `escaped` exists.
    private static let escape = """
        import os, signal, sys
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
                open('escaped', 'w').close()
                for fd in (0, 1, 2): os.close(fd)
                os.execve('/usr/bin/python3', ['python3', '-c', 'import time; time.sleep(1000)'], {})
            os._exit(0)
        while not os.path.exists('escaped'): pass
        \n
        """

    @Test("kills a grandchild in another session when the program ends")
    func escapes() async throws {
        let bench = try ProgramBench()
        let (end, _) = try await bench.run(bench.launch(["python3", "-c", Self.escape + "os._exit(5)"]))
        #expect(end == .exited(status: 5))
        #expect(bench.processes.isEmpty)
    }

    @Test("kills a grandchild in another session when the program is killed")
    func escapesAndIsKilled() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("python3", "-c", Self.escape + "signal.pause()")
        #expect(await bench.waits(for: "escaped"))
        program.kill()
        #expect(await program.end() == .signaled(SIGKILL, isStopped: true))
        #expect(bench.processes.isEmpty)
    }

    @Test("kills a program and a child that have stopped themselves")
    func stopped() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start(
            "sh", "-c", "sh -c 'touch child; kill -STOP $$' & touch ready; kill -STOP $$")
        #expect(await bench.waits(for: "ready"))
        #expect(await bench.waits(for: "child"))
        program.kill()
        _ = await program.end()
        #expect(bench.processes.isEmpty)
    }

    @Test("ends although the program has closed its output, and children have kept it")
    func output() async throws {
        let bench = try ProgramBench()
        let (end, output) = try await bench.run(
            bench.launch(["sh", "-c", "sleep 1000 & echo text; exec >&- 2>&-; exit 0"]))
        #expect(end == .exited(status: 0))
        #expect(output == "text\n")
        #expect(bench.processes.isEmpty)
    }

    /// Each process forks again whenever there are fewer than 60 more than before, in sessions of their own.
    @Test("kills a fork bomb, several times")
    func bomb() async throws {
        let script = """
            import os
            open('ready', 'w').close()
            most = len(os.listdir('/proc')) + 60
            while True:
                try:
                    if len(os.listdir('/proc')) < most and os.fork() == 0: os.setsid()
                except OSError: pass
            """
        for _ in 0..<3 {
            let bench = try ProgramBench()
            let program = try await bench.start("python3", "-c", script)
            #expect(await until { bench.processes.count > 20 })
            program.kill()
            #expect(await program.end() == .signaled(SIGKILL, isStopped: true))
            #expect(bench.processes.isEmpty)
        }
    }

    @Test("kills everything when the supervisor is killed from outside")
    func supervisorKilled() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start(
            "sh", "-c", "env -i sleep 1000 & setsid sleep 1000 & touch ready; sleep 1000")
        #expect(await bench.waits(for: "ready"))
        #expect(await until { bench.processes.count == 4 })
        try #require(bench.supervisor).signal(SIGKILL)
        #expect(await program.end() == .unknown)
        #expect(bench.processes.isEmpty)
        #expect(bench.recordNames == [])
    }

    @Test("kills everything when the supervisor does not answer")
    func supervisorStopped() async throws {
        let bench = try ProgramBench(limits: .init(answer: .milliseconds(200)))
        let program = try await bench.start("sleep", "1000")
        try #require(bench.supervisor).signal(SIGSTOP)
        program.kill()
        #expect(await program.end() == .unknown)
        #expect(bench.processes.isEmpty)
        #expect(bench.supervisor == nil)
    }

    @Test("says that the start failed when the supervisor does not answer")
    func supervisorSilent() async throws {
        let bench = try ProgramBench(limits: .init(start: .milliseconds(100), answer: .milliseconds(100)))
        let starter = SupervisorStarter(
            records: bench.records, dataDirectory: nil, executable: "/usr/bin/yes",
            limits: .init(start: .milliseconds(100)), logger: .init(label: "test"))
        await #expect(throws: ProgramStartError.self) { try await starter.start(bench.launch(["true"])) }
        #expect(bench.recordNames == [])
    }

    @Test("says how a program ended that was killed from outside")
    func programKilled() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("sleep", "1000")
        for process in bench.processes { process.signal(SIGKILL) }
        #expect(await program.end() == .signaled(SIGKILL, isStopped: false))
    }

    @Test("kills the processes of a cgroup", .enabled(if: CgroupDirectory.isAvailable))
    func cgroup() async throws {
        let bench = try ProgramBench(cgroups: CgroupDirectory.path)
        let program = try await bench.start(
            "sh", "-c", "setsid env -i sleep 1000 & touch ready; sleep 1000", isConfined: false)
        #expect(await bench.waits(for: "ready"))
        let path = "\(CgroupDirectory.path)/longtake-\(bench.nonce)"
        let inside = try String(contentsOfFile: path + "/cgroup.procs", encoding: .utf8)
        #expect(inside.split(separator: "\n").count >= 2)
        try #require(bench.supervisor).signal(SIGKILL)
        #expect(await program.end() == .unknown)
        #expect(bench.processes.isEmpty)
        #expect(await until { rmdir(path) != 0 && errno == ENOENT })
    }
}

/// A directory of cgroup v2 in which this user may make others.
enum CgroupDirectory {
    static let path = "/sys/fs/cgroup/unified"
    static let isAvailable = access(path + "/cgroup.procs", W_OK) == 0
}
