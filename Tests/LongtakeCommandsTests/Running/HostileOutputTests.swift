import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeCommands

@Suite("hostile output")
struct HostileOutputTests {
    private let stage = CommandStage()

    @Test("100,000 messages in one burst are all read, and the last one counts")
    func burst() async throws {
        _ = try await stage.run(
            #"seq 1 100000 | sed 's|.*|{"progress": 0.&, "message": "&"}|'; echo '{"progress": 1, "message": "end"}'"#
        ).get()
        #expect(stage.reports.list.count == 100_001)
        #expect(stage.reports.list.last == StageReport(progress: .complete, message: "end"))
    }

    @Test("a line of 100 MB is cut, and the message after it counts")
    func longLine() async throws {
        let result = await stage.run(#"head -c 100000000 /dev/zero; echo; echo '{"output": {"a": 1}}'"#)
        #expect(try result.get().output == .object(["a": .integer(1)]))
        let log = await stage.log
        #expect(log.hasSuffix(" [the line was cut]\n"))
        #expect(log.utf8.count < 65_536 * 3 + 100)
    }

    @Test("garbage, NULs, deep JSON, unknown and duplicate members become lines of the log")
    func garbage() async throws {
        _ = try await stage.run(
            """
            head -c 100000 /dev/urandom; echo
            head -c 1000 /dev/zero; echo
            printf '{"checkpoint": '; head -c 10000 /dev/zero | tr '\\0' '['; echo
            echo '{"progress": 0.5, "other": 1}'
            echo '{"progress": 0.5, "progress": 0.6}'
            echo '{"progress": "0.5"}'
            """
        ).get()
        #expect(stage.reports.list.isEmpty)
        #expect(await stage.log.contains(#"{"progress": 0.5, "progress": 0.6}"#))
    }

    @Test("a flood on standard error while standard output is silent blocks neither, and its end is the detail")
    func flood() async {
        let failure = await stage.run("head -c 20000000 /dev/zero | tr '\\0' 'x' >&2; echo end >&2; exit 1")
            .stageFailure
        #expect(failure?.detail?.hasSuffix("xxxend\n") == true)
        #expect(failure?.detail?.utf8.count == 2_048)
    }

    @Test("the unfinished lines of both pipes are bounded, whatever a program writes")
    func bound() {
        var output = CommandOutput(CommandStage.work(""), from: .none)
        let chunk = [UInt8](repeating: 0x7b, count: CommandRun.readBytes)
        for stream in CommandOutput.Stream.allCases {
            for _ in 0..<1_600 {
                var rest = chunk[...]
                output.begin(stream, rest)
                while output.next(stream, from: &rest) != nil {}
                #expect(output.takeLog().count < 4 * CommandRun.readBytes)
            }
        }
        #expect(output.mostBytesHeld <= 2 * (LineSplitter.maximumLineBytes + 1))
    }

    @Test("is read at the configured pace, and the pipe holds the program back")
    func pace() async throws {
        let stage = CommandStage(limits: CommandLimits(outputBytesPerSecond: 1_000_000))
        let start = ContinuousClock.now
        _ = try await stage.run("head -c 1000000 /dev/zero | tr '\\0' '\\n'").get()
        #expect(ContinuousClock.now - start > .milliseconds(800))
    }

    @Test("a checkpoint and an output that are too large are dropped, and the log says so")
    func tooLarge() async throws {
        let result = await stage.run(
            """
            echo '{"checkpoint": 1}'
            printf '{"progress": 0.5, "checkpoint": "'; head -c 16384 /dev/zero | tr '\\0' x; echo '"}'
            """)
        _ = try result.get()
        #expect(stage.reports.list.map(\.checkpoint) == [.integer(1), nil])
        #expect(await stage.log == "longtake: the checkpoint has 16386 bytes and was dropped; the limit is 16384\n")
    }
}
