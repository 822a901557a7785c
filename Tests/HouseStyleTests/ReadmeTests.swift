// Goal: the README's Swift example is a program that is built with the rest.
// Method: the code block is compared with Examples/Campaign/Campaign.swift, word for word.

import Testing

@Suite("README")
struct ReadmeTests {
    @Test("the Swift example is the program in Examples")
    func theExampleIsBuilt() throws {
        let readme = try #require(Repository.file("README.md")).lines.map(String.init)
        let program = try #require(Repository.file("Examples/Campaign/Campaign.swift")).lines.map(String.init)
        #expect(Self.matches(readme, program))
        #expect(!Self.matches(readme.map { $0.replacing("isAllowed", with: "isDenied") }, program))
    }

    /// Whether the first Swift block of a document is a file's code after its opening comment.
    private static func matches(_ document: [String], _ file: [String]) -> Bool {
        guard let begin = document.firstIndex(of: "```swift"),
            let end = document[begin...].firstIndex(of: "```"),
            let code = file.firstIndex(where: { $0.hasPrefix("import ") })
        else { return false }
        let example = document[document.index(after: begin)..<end]
        var program = file[code...]
        while program.last?.isEmpty == true { program.removeLast() }
        return example.elementsEqual(program)
    }
}
