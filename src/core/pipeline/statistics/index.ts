export { counterFlow, type CounterOf, countAdmitted, countKnown, readCounter, readSwitchMark, switchMark } from "./compile.ts";
