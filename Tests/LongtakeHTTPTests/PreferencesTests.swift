import HTTPTypes
import Testing

@testable import LongtakeHTTP

@Suite struct PreferencesTests {
    @Test(
        "the wait is found among other preferences, in either form, and the first of several counts",
        arguments: [
            (nil, nil), ("", nil), ("respond-async", nil), ("wait=7", 7), ("Wait = 7", 7), ("wait=\"7\"", 7),
            ("respond-async, wait=7", 7), ("wait=7; x=1", 7), ("wait=7, wait=9", 7), ("wait=50", 50), ("wait=0", 0),
            ("note=\"a, wait=9\", wait=7", 7), ("note=\"a\\\", wait=9\", wait=7", 7), ("waiting=9", nil),
            (";;,=,", nil),
        ] as [(String?, Int?)])
    func wait(header: String?, seconds: Int?) throws {
        #expect(try Preferences(header).wait == seconds.map { .seconds($0) })
    }

    @Test(
        "a wait that is no whole number of seconds up to 50 is refused",
        arguments: [
            "wait", "wait=", "wait=51", "wait=-1", "wait=+1", "wait=1.5", "wait=x", "wait=99999999999999999999",
            "wait=\"\"", "wait=\"", "wait=7x",
        ])
    func refused(header: String) {
        let problem = #expect(throws: Problem.self) { try Preferences(header) }
        #expect(problem?.status.code == 400)
    }
}
