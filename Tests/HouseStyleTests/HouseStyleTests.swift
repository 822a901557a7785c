// Goal: the house style holds in every file, and stays so without anybody watching.
//
// Method: each rule is a pure function from a file to findings. It runs over the whole repository, where it
// must find nothing, and over a planted sample, where it must find exactly the lines that are wrong.

import Testing

/// A rule about one file.
struct Rule: CustomTestStringConvertible, Sendable {
    let name: String
    let find: @Sendable (SourceFile) -> [Finding]

    var testDescription: String { name }

    static let swift = [
        Rule(name: "opening", find: SourceRules.opening),
        Rule(name: "line length", find: SourceRules.lineLength),
        Rule(name: "file length", find: SourceRules.fileLength),
        Rule(name: "forbidden code", find: SourceRules.forbiddenCode),
        Rule(name: "force unwraps", find: SourceRules.forceUnwraps),
        Rule(name: "names", find: SourceRules.names),
        Rule(name: "imports", find: LayerRules.imports),
    ]
    static let text = [
        Rule(name: "unfinished", find: SourceRules.unfinished),
        Rule(name: "absolute paths", find: DocumentRules.absolutePaths),
        Rule(name: "hosts", find: DocumentRules.urls),
    ]
}

/// The rules over the repository as it is.
@Suite("House style of the repository")
struct RepositoryTests {
    @Test("the walk finds the repository's files")
    func walkFindsFiles() {
        let paths = Set(Repository.files.map(\.path))
        for path in [
            "Package.swift", "Makefile", "README.md", "Protocol/consent.schema", "tools/scripts/test.sh",
            ".ci/run",
        ] {
            #expect(paths.contains(path))
        }
        #expect(!paths.contains { $0.hasPrefix(".build") })
    }

    @Test("Swift files", arguments: Rule.swift)
    func swiftFiles(_ rule: Rule) {
        report(Repository.swiftFiles.flatMap(rule.find))
    }

    @Test("text files", arguments: Rule.text)
    func textFiles(_ rule: Rule) {
        report(Repository.files.flatMap(rule.find))
    }

    @Test("every target has a row in the table of layers, and every row its target")
    func layersAreComplete() {
        let targets = Set(Repository.files.compactMap { LayerRules.target(of: $0.path) })
        #expect(targets == Set(LayerRules.allowed.keys))
    }

    @Test("commits that do not wait for the disk are for tests: no program can ask for them")
    func unsafeCommits() {
        let users = Repository.swiftFiles.filter {
            $0.path.hasPrefix("Sources/") && $0.text.contains("waitsForDisk")
        }
        #expect(users.map(\.path) == ["Sources/ConsentRegister/SQLiteRegister.swift"])
    }

    @Test("links in documents lead to files")
    func links() {
        report(Repository.documents.flatMap { DocumentRules.links($0, exists: Repository.exists) })
    }

    @Test("paths that documents name exist")
    func paths() {
        report(Repository.documents.flatMap { DocumentRules.paths($0, exists: Repository.exists) })
    }

    @Test("make commands in documents exist")
    func makeCommands() throws {
        let makefile = try #require(Repository.file("Makefile"))
        let targets = DocumentRules.targets(ofMakefile: makefile.text)
        #expect(targets.isSuperset(of: ["build", "demo", "test", "check", "generate", "bench", "clean"]))
        report(Repository.documents.flatMap { DocumentRules.makeCommands($0, targets: targets) })
    }

    @Test("every target of the Makefile says in a line what it does")
    func makeTargetsHaveHelp() throws {
        let makefile = try #require(Repository.file("Makefile"))
        for target in DocumentRules.targets(ofMakefile: makefile.text).subtracting(["help"]) {
            #expect(
                makefile.lines.contains { $0.hasPrefix("\(target):") && $0.contains(" ## ") }, "\(target)")
        }
    }

    @Test("every limit of the schema is in the protocol reference with its value")
    func limitsAreDocumented() throws {
        let schema = try #require(Repository.file("Protocol/consent.schema"))
        let reference = try #require(Repository.file("Protocol/REFERENCE.md"))
        #expect(DocumentRules.limits(ofSchema: schema.text).count >= 10)
        report(DocumentRules.undocumentedLimits(schema: schema.text, reference: reference))
    }

    @Test("every rule of consent names tests that exist")
    func rulesHaveTests() throws {
        let list = try #require(Repository.file("Tests/RULES.md"))
        let names = RuleList.Names(Repository.files)
        #expect(names.tests.count > 300 && names.stories.count > 100)
        report(RuleList.findings(list, names))
    }

    private func report(_ findings: [Finding]) {
        for finding in findings { Issue.record("\(finding)") }
    }
}

/// The rules over planted samples: each must find what is wrong and nothing else.
@Suite("House style: each rule finds what it is for")
struct PlantedTests {
    /// Lines that a rule finds in a sample.
    private func lines(
        _ rule: (SourceFile) -> [Finding], _ text: String,
        at path: String = "Sources/ConsentDomain/Sample.swift"
    ) -> [Int] {
        rule(SourceFile(path: path, text: text)).map(\.line)
    }

    @Test("rules: a name that no test has, and a rule without one")
    func ruleList() {
        let sources = [
            SourceFile(
                path: "Tests/A/B.swift",
                text:
                    "@Suite struct Some {\n    @Test(arguments: [1]) func one() {}\n    func helper() {}\n    # a story\n}"
            )
        ]
        let list = SourceFile(
            path: "Tests/RULES.md",
            text: """
                | rule | shown by |
                | --- | --- |
                | good | `Some.one`, "a story" |
                | bad | `Some.helper` |
                | bad | "another story" |
                | empty | nothing |
                """)
        let found = RuleList.findings(list, RuleList.Names(sources)).map(\.line)
        #expect(found == [4, 5, 6])
    }

    @Test("opening")
    func opening() {
        #expect(lines(SourceRules.opening, "// Keys of recipients, and how they are made.\nlet a = 1") == [])
        #expect(
            lines(SourceRules.opening, "import Crypto\n// Keys of recipients, and how they are made.") == [1])
        #expect(lines(SourceRules.opening, "// Sample.swift\n//\nimport Crypto") == [1])
        let generated = "Sources/WireProtocol/Generated/Sample.swift"
        #expect(lines(SourceRules.opening, SourceRules.generatedHeader + "\n", at: generated) == [])
        #expect(
            lines(SourceRules.opening, "// Keys of recipients, and how they are made.\n", at: generated) == [
                1
            ])
    }

    @Test("line length: 110 fits, 111 does not; one long literal may stand")
    func lineLength() {
        let fits = String(repeating: "é", count: 100) + " + 4567890"
        #expect(fits.count == 110)
        #expect(lines(SourceRules.lineLength, "\(fits)\n\(fits)1") == [2])
        let long = String(repeating: "word ", count: 40)
        #expect(lines(SourceRules.lineLength, "    let text = \"\(long)\"") == [])
        #expect(lines(SourceRules.lineLength, "\(String(repeating: "x", count: 61)) = \"\(long)\"") == [1])
        #expect(lines(SourceRules.lineLength, "    // \(long)") == [1])
    }

    @Test("file length: 400 fits, 401 does not")
    func fileLength() {
        #expect(lines(SourceRules.fileLength, String(repeating: "\n", count: 400)) == [])
        #expect(lines(SourceRules.fileLength, String(repeating: "\n", count: 401)) == [0])
    }

    @Test(
        "forbidden code and force unwraps",
        arguments: [
            ("let a = try" + "! read()", true),
            ("fatal" + "Error(\"no\")", true),
            ("let a = b!.c", true),
            ("f(x!)", true),
            ("let a = list[0]! + 1", true),
            ("let a = b as! Int", true),
            ("var a: Int!", true),
            ("let text = \"\\(b!)\"", true),
            ("let a = b != c && !d", false),
            ("let a = b! = c", true),
            ("// let a = b!.c", false),
            ("/* a /* nested */ b!.c */", false),
            ("let text = \"Stop! \\\" b!.c\"", false),
            ("let text = #\"b!.c \"quoted\" b!\"#", false),
            ("let first = bytes.baseAddress!", false),
        ])
    func unwraps(_ code: String, isWrong: Bool) {
        let found = lines({ SourceRules.forbiddenCode($0) + SourceRules.forceUnwraps($0) }, "\n" + code)
        #expect(Set(found) == (isWrong ? [2] : []))
    }

    @Test("multi-line strings are text, their interpolations code")
    func multilineStrings() {
        let text = "let a = \"\"\"\n  \"quoted\" b!.c\n  \\(d!)\n  \"\"\"\nlet e = f!"
        #expect(lines(SourceRules.forceUnwraps, text) == [3, 5])
        #expect(CodeOnly.lines(of: text).count == 5)
    }

    @Test("names")
    func names() {
        let text =
            "struct KeyCache {}\nfinal class IndexManager {}\nprotocol RegisterStore {}\n"
            + "// struct A: a Store\nstruct Restore {}"
        #expect(lines(SourceRules.names, text) == [1, 2])
    }

    @Test("unfinished")
    func unfinished() {
        #expect(lines(SourceRules.unfinished, "// a\n// TO" + "DO: b\n// FIX" + "ME c") == [2, 3])
    }

    @Test(
        "imports",
        arguments: [
            ("Sources/ConsentDomain/A.swift", "import ConsentRegister", true),
            ("Sources/ConsentDomain/A.swift", "@_exported import WireProtocol", true),
            ("Sources/ConsentDomain/A.swift", "package import struct ConsentIndex.SlotTable", true),
            ("Sources/ConsentDomain/A.swift", "import NIOCore", true),
            ("Sources/ConsentDomain/A.swift", "import Foundation", false),
            ("Sources/ConsentDomain/A.swift", "// import NIOCore", false),
            ("Sources/ConsentDomain/A.swift", "let importNote = 1", false),
            ("Sources/ConsentServer/A.swift", "import NIOPosix", false),
            ("Sources/ConsentServer/A.swift", "internal import ConsentClient", true),
            ("Sources/consentd/A.swift", "import NIOCore", true),
            ("Sources/consentctl/A.swift", "import ConsentRegister", true),
            ("Sources/Newcomer/A.swift", "let a = 1", true),
            ("tools/protogen/Core/A.swift", "import ArgumentParser", true),
            ("tools/protogen/CLI/A.swift", "import ArgumentParser", false),
        ])
    func imports(_ path: String, _ code: String, isWrong: Bool) {
        #expect(LayerRules.imports(SourceFile(path: path, text: code)).isEmpty == !isWrong)
    }

    @Test("links")
    func links() {
        let text =
            "[a](README.md) [b](../Makefile#x) [c](gone.md)\n[d](https://github.com) [e](#part)\n"
            + "```\n[f](gone.md)\n```"
        let existing: Set<String> = ["Protocol/README.md", "Makefile"]
        let found = DocumentRules.links(
            SourceFile(path: "Protocol/A.md", text: text), exists: existing.contains)
        #expect(found.map(\.line) == [1])
        #expect(found.first?.message.contains("gone.md") == true)
    }

    @Test("paths: those in code count, patterns and prose do not")
    func paths() {
        let text =
            "`Sources/A/B+C.swift` `Sources/A/` `Sources/gone.swift` Sources/lost.swift\n`tools/*`\n`other/x`"
        let existing: Set<String> = ["Sources/A/B+C.swift", "Sources/A"]
        let found = DocumentRules.paths(SourceFile(path: "A.md", text: text), exists: existing.contains)
        #expect(found.map(\.message) == ["there is no Sources/gone.swift"])
    }

    @Test("make commands: those in code count, prose does not")
    func makeCommands() {
        let targets = DocumentRules.targets(ofMakefile: "all: b ## x\nb:\n\ttool\nNAME := 1\n")
        #expect(targets == ["all", "b"])
        let text = "Type `make all` and make sure.\n```\nmake gone ONLY=x\n$ make b\n```\n`make lost`"
        let found = DocumentRules.makeCommands(SourceFile(path: "A.md", text: text), targets: targets)
        #expect(found.map(\.line) == [3, 6])
    }

    @Test("absolute paths and hosts")
    func machines() {
        let home = "/ho" + "me/", root = "/ro" + "ot/"
        #expect(lines(DocumentRules.absolutePaths, "cd \(home)ada\na/b\(home)c\n`\(root)x`") == [1, 3])
        let hidden = "https:" + "//mirror.internal/x"
        #expect(lines(DocumentRules.urls, "https://github.com/a\n\(hidden)\nhttps://salon.example") == [2])
    }

    @Test("limits")
    func limits() {
        let schema = "/// A.\nlimit a_max = 4_096\nlimit b_max = 12\nlimit c_max = 7\n"
        let reference = SourceFile(path: "R.md", text: "| `a_max` | 4096 |\n| `b_max` | 13 |\n")
        let found = DocumentRules.undocumentedLimits(schema: schema, reference: reference)
        #expect(found.map { $0.message.split(separator: " ")[1] } == ["b_max", "c_max"])
    }
}
