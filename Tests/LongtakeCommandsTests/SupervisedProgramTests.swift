import FoundationEssentials
import Glibc
import Logging
import LongtakeTesting
import Testing

@testable import LongtakeCommands

@Suite struct SupervisedProgramTests {
    @Test("tells the exit status, and leaves no record")
    func exits() async throws {
        let bench = try ProgramBench()
        let (end, output) = try await bench.run(bench.launch(["sh", "-c", "echo done; exit 3"]))
        #expect(end == .exited(status: 3))
        #expect(output == "done\n")
        #expect(bench.recordNames == [])
    }

    @Test("tells the signal that a program sent to itself")
    func signaled() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("sh", "-c", "kill -9 $$")
        #expect(await program.end() == .signaled(SIGKILL, isStopped: false))
    }

    @Test("keeps a record while the program runs")
    func record() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("sleep", "1000")
        #expect(bench.recordNames == [bench.nonce + ".json"])
        program.kill()
        #expect(await program.end() == .signaled(SIGKILL, isStopped: true))
        #expect(bench.recordNames == [])
    }

    @Test("gives the program its environment, limits, signals, descriptors and process group")
    func surroundings() async throws {
        let bench = try ProgramBench()
        let script = """
            import os, resource, signal, sys
            status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines())
            print(os.environ['LONGTAKE_NONCE'], os.getcwd())
            print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')), os.readlink('/proc/self/fd/0'))
            print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE))
            print(resource.getrlimit(resource.RLIMIT_FSIZE), open('/proc/self/oom_score_adj').read().strip())
            print(status['SigBlk'], status['NoNewPrivs'], oct(os.umask(0)), os.getpgrp() == os.getpid(), sys.stdin.read())
            """
        let (end, output) = try await bench.run(bench.launch(["python3", "-c", script]))
        #expect(end == .exited(status: 0))
        // One descriptor more is the listing's own.
        #expect(
            output == """
                \(bench.nonce) \(bench.work)
                ['0', '1', '2'] 4 /dev/null
                1024 (0, 0)
                (1048576, 1048576) 500
                0000000000000000 1 0o77 True \n
                """)
    }

    @Test("has default signals although the daemon ignores some")
    func signals() async throws {
        let bench = try ProgramBench()
        signal(SIGPIPE, SIG_IGN)
        let (_, output) = try await bench.run(bench.launch(["grep", "SigIgn", "/proc/self/status"]))
        // Two signals belong to the C library, which ignores them in what posix_spawn(3) starts.
        let mask = try #require(UInt64(output.dropFirst(8).dropLast(), radix: 16))
        #expect(mask & ~0x1_8000_0000 == 0)
    }

    @Test("reads the input file as standard input")
    func input() async throws {
        let bench = try ProgramBench()
        var launch = bench.launch(["cat"])
        launch.inputFile = bench.data + "/secret"
        #expect(try await bench.run(launch).output == "secret")
    }

    @Test("passes arguments and variables of a megabyte")
    func large() async throws {
        let bench = try ProgramBench()
        var launch = bench.launch(["sh", "-c", "echo ${#LONG0} ${#1}", "sh", String(repeating: "é\"", count: 30_000)])
        for number in 0..<10 { launch.environment["LONG\(number)"] = String(repeating: "x", count: 100_000) }
        #expect(try await bench.run(launch).output.hasPrefix("100000 "))
    }

    // MARK: Starts that fail

    @Test("refuses a program that does not exist, cannot be executed or has no interpreter")
    func notExecutable() async throws {
        let bench = try ProgramBench()
        let script = bench.work + "/script"
        try Data("#!/no/such/interpreter\n".utf8).write(to: URL(filePath: script))
        for (name, text) in [
            ("no-such-program", "no-such-program is not in PATH"), ("/no/such", "/no/such: No such file or directory"),
            (
                script,
                "\(script) may not be executed: it is not executable, or its directory or that of its interpreter is not in read_paths"
            ),
        ] {
            await #expect(throws: ProgramStartError.notExecutable(text)) { try await bench.start(name) }
        }
        chmod(script, 0o700)
        await #expect(throws: ProgramStartError.notExecutable("\(script): No such file or directory")) {
            try await bench.start(script)
        }
        #expect(bench.recordNames == [])
        #expect(bench.supervisor == nil)
    }

    @Test("refuses a working directory that does not exist, and a NUL character")
    func cannotStart() async throws {
        let bench = try ProgramBench()
        var launch = bench.launch(["true"])
        launch.workingDirectory = bench.root + "/none"
        await #expect(
            throws: ProgramStartError.failed("the working directory \(bench.root)/none: No such file or directory")
        ) { try await bench.starter.start(launch) }
        await #expect(throws: ProgramStartError.self) { try await bench.start("echo", "a\0b") }
    }

    @Test("fails when the supervisor's binary cannot be executed")
    func noSupervisor() async throws {
        let bench = try ProgramBench()
        let starter = SupervisorStarter(
            records: bench.records, dataDirectory: nil, executable: "/no/longtake", logger: .init(label: "test"))
        await #expect(throws: ProgramStartError.failed("/no/longtake: No such file or directory")) {
            try await starter.start(bench.launch(["true"]))
        }
    }

    // MARK: Stop

    @Test("ends at SIGTERM, also if it is stopped or consists of several processes")
    func stop() async throws {
        for script in ["sleep 1000 & touch ready; wait", "touch ready; kill -STOP $$; sleep 1000"] {
            let bench = try ProgramBench()
            let program = try await bench.start("sh", "-c", script)
            #expect(await bench.waits(for: "ready"))
            program.stop(grace: .seconds(60))
            #expect(await program.end() == .signaled(SIGTERM, isStopped: true))
            #expect(bench.processes.isEmpty)
        }
    }

    @Test("is killed after the grace if it ignores SIGTERM")
    func ignoresTermination() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("sh", "-c", "trap '' TERM; touch ready; while :; do sleep 1; done")
        #expect(await bench.waits(for: "ready"))
        program.stop(grace: .seconds(60))
        program.stop(grace: .milliseconds(50))
        #expect(await program.end() == .signaled(SIGKILL, isStopped: true))
        #expect(bench.processes.isEmpty)
    }

    @Test("tells the exit status of a program that handles SIGTERM")
    func handlesTermination() async throws {
        let bench = try ProgramBench()
        let program = try await bench.start("sh", "-c", "trap 'exit 7' TERM; touch ready; while :; do sleep 0.01; done")
        #expect(await bench.waits(for: "ready"))
        program.stop(grace: .seconds(60))
        #expect(await program.end() == .exited(status: 7))
    }
}
