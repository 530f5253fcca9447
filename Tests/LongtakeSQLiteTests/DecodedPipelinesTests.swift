import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("the cache of decoded pipelines")
struct DecodedPipelinesTests {
    private static func text(_ number: Int) throws -> String {
        let stages = [Samples.stage("s\(number)", Samples.cpu)]
        return try JSONText.encode(Pipeline(name: PipelineName(unchecked: "p"), stages: stages))
    }

    @Test("each text gives its own pipeline, from the cache too")
    func distinct() throws {
        let pipelines = DecodedPipelines()
        for number in [1, 2, 1, 2] {
            #expect(try pipelines.pipeline(Self.text(number)).stages[0].name.description == "s\(number)")
        }
        #expect(try pipelines.bytes == Self.text(1).utf8.count + Self.text(2).utf8.count)
        #expect(throws: DecodingError.self) { try pipelines.pipeline("{}") }
    }

    // This test failed without the limit in `pipeline(_:)`: 100 texts were kept.
    @Test("it is limited in bytes")
    func bounded() throws {
        let most = try Self.text(1).utf8.count * 3
        let pipelines = DecodedPipelines(mostBytes: most)
        for number in 1...100 {
            _ = try pipelines.pipeline(Self.text(number))
            #expect(pipelines.bytes <= most)
        }
        let small = DecodedPipelines(mostBytes: 10)
        #expect(try small.pipeline(Self.text(7)).stages.count == 1)
        #expect(small.bytes == 0)
    }
}
