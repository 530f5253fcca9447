import Glibc
import Testing

@testable import LongtakeCommands

@Suite struct ConfinementPathsTests {
    private func isAllowed(read: [String] = [], write: [String] = [], data: String) -> Bool {
        (try? ConfinementPaths.check(readPaths: read, writePaths: write, dataDirectory: data)) != nil
    }

    @Test("refuses a path that contains the data directory, is it, or lies in it")
    func conflicts() {
        for path in ["/", "/srv", "/srv/longtake", "/srv/longtake/data/", "/srv/longtake/data/work", "/srv/./x/.."] {
            #expect(!isAllowed(read: [path], data: "/srv/longtake/data"), "\(path)")
            #expect(!isAllowed(write: ["/models", path], data: "/srv/longtake/data"), "\(path)")
        }
    }

    @Test("allows paths beside the data directory, also with a name that begins like it")
    func allows() {
        for path in ["/srv/longtake/dat", "/srv/longtake/data2", "/models", "/no/such"] {
            #expect(isAllowed(read: [path], write: [path], data: "/srv/longtake/data"), "\(path)")
        }
    }

    @Test("refuses a data directory in a directory of the system, and a relative path")
    func others() {
        #expect(!isAllowed(data: "/usr/share/longtake"))
        #expect(!isAllowed(read: ["models"], data: "/srv/data"))
    }

    @Test("follows symbolic links")
    func links() throws {
        let bench = try ProgramBench()
        symlink(bench.root, bench.root + "/link")
        #expect(!isAllowed(read: [bench.root + "/link"], data: bench.data))
        #expect(!isAllowed(read: [bench.root], data: bench.root + "/link/data/not/yet"))
    }
}
