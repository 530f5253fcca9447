import HTTPTypes
import Testing

@testable import LongtakeHTTP

@Suite struct EntityTagTests {
    @Test(
        "tags are read as RFC 9110 writes them, and compared without their weakness",
        arguments: [
            (nil, nil), ("", nil), ("  ", nil), ("*", .any), (#""a""#, .tags(["a"])), (#"W/"a""#, .tags(["a"])),
            (#" "a" , W/"b","c""#, .tags(["a", "b", "c"])), (#","a",,"#, .tags(["a"])), (#""a,b""#, .tags(["a,b"])),
            (#""""#, .tags([""])), (#""a\", "b""#, .tags([#"a\"#, "b"])),
        ] as [(String?, KnownTags?)])
    func read(header: String?, tags: KnownTags?) throws {
        #expect(try KnownTags.read(header) == tags)
    }

    @Test(
        "what is no tag is refused",
        arguments: [
            "7f3a09c2-18", "\"a", "a\"", "w/\"a\"", "W/ \"a\"", "W/", "\"a\" \"b\"", "*, \"a\"", "\"a\", *", ",",
            "\"a b\"",
            "**",
        ])
    func refused(header: String) {
        let problem = #expect(throws: Problem.self) { try KnownTags.read(header) }
        #expect(problem?.status.code == 400)
    }
}
