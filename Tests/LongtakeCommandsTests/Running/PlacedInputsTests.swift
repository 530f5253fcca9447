import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("placed inputs")
struct PlacedInputsTests {
    @Test("gives fields safe names with the extension of their type, each one once")
    func names() {
        var names = InputNames()
        let given = [
            ("image", "image/png"), ("a/../b", "image/jpeg"), ("a b", "x/y"), ("a_b", "x/y"), ("", "text/plain"),
        ]
        #expect(
            given.map { names.name(ofField: $0.0, type: $0.1) }
                == ["image.png", "a____b.jpg", "a_b.bin", "a_b-2.bin", "input.txt"])
    }

    @Test("removes an argument that is only a placeholder without a value")
    func arguments() throws {
        let work = CommandWork(arguments: [
            CommandArgument("p"), CommandArgument([.text(field: "a")]),
            CommandArgument([.literal("f="), .text(field: "b")]),
            CommandArgument(""),
        ])
        let claim = CommandStage.claim(work, input: .object(["b": .string("x")]))
        #expect(try PlacedInputs(claim, work: work).arguments(of: work) == ["p", "f=inputs/b.txt", ""])
    }
}

@Suite("trace parent")
struct TraceParentTests {
    @Test("has the bits of the job's id as its trace, and a valid parent")
    func trace() throws {
        let job = try #require(JobID("job_00000000000000000000000010"))
        #expect(
            TraceParent(of: job, random: 0).description == "00-00000000000000000000000000000020-0000000000000001-01")
        let zero = try #require(JobID("job_00000000000000000000000000"))
        #expect(
            TraceParent(of: zero, random: .max).description == "00-00000000000000000000000000000001-ffffffffffffffff-01"
        )
        #expect(TraceParent(of: CommandStage.job, random: 1).description.hasPrefix("00-019a9e3d9a8798ba"))
    }
}
