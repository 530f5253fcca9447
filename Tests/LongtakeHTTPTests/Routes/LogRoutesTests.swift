import HTTPTypes
import Hummingbird
import Testing

@testable import LongtakeHTTP

@Suite("the log of a stage") struct LogRoutesTests {
    private static func response(_ range: String? = nil, _ log: [UInt8]) throws -> Response {
        try LogRoutes.response(to: range.map { [.range: $0] } ?? [:], log)
    }

    @Test("is the whole text, or a range of it")
    func ranges() throws {
        let log = Array("0123456789".utf8)
        #expect(try Self.response(nil, log).body.contentLength == 10)
        let part = try Self.response("bytes=-3", log)
        #expect(part.status == .partialContent && part.body.contentLength == 3)
        #expect(part.headers[.contentRange] == "bytes 7-9/10")
        let problem = #expect(throws: Problem.self) { try Self.response("bytes=10-", log) }
        #expect(problem?.status == .rangeNotSatisfiable)
        #expect(try Self.response("bytes=0-1,3-4", log).status == .ok)
    }
}
