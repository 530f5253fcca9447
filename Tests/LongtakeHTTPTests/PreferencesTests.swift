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
    func wait(header: String?, seconds: Int?) {
        #expect(Preferences(header).wait == seconds.map { .seconds($0) })
        #expect(Preferences(header).applied == (seconds == nil ? "" : "wait"))
    }

    // RFC 7240 §2: a preference never makes a request fail.
    @Test(
        "caps a wait that is too long, rounds a fraction down, and tells both in Preference-Applied",
        arguments: [
            ("wait=51", 50), ("wait=3600", 50), ("wait=99999999999999999999", 50), ("wait=1.5", 1), ("wait=0.9", 0),
            ("wait=\"70\"", 50), ("respond-async, wait=60", 50),
        ])
    func adjusted(header: String, seconds: Int) {
        #expect(Preferences(header).wait == .seconds(seconds))
        #expect(Preferences(header).applied == "wait=\(seconds)")
    }

    @Test(
        "ignores a wait that is no number",
        arguments: [
            "wait", "wait=", "wait=-1", "wait=+1", "wait=x", "wait=\"\"", "wait=\"", "wait=7x", "wait=.5", "wait=5.",
            "wait=1.5.1", "wait=1e3",
        ])
    func ignored(header: String) {
        #expect(Preferences(header).wait == nil)
        #expect(Preferences(header).applied == "")
    }
}
