import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("the texts of pipelines")
struct PipelineTextsTests {
    @Test("each pipeline has its own text, before and after an eviction")
    func texts() throws {
        let texts = PipelineTexts()
        let pipelines = (0..<600).map { number in
            Pipeline(
                name: Samples.pipeline.name, stages: [Samples.stage("stage-\(number % 300)", Samples.cpu)])
        }
        for pipeline in pipelines {
            #expect(try texts.text(of: pipeline) == JSONText.encode(pipeline))
            #expect(try texts.text(of: pipeline) == JSONText.encode(pipeline))
        }
    }
}
